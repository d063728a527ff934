// What the kit knows of a request is on the request, where nobody else finds it.

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { inspect } from 'node:util'

import test from 'ava'

import { createPrivateSlot } from '../../src/koa/private-slot.ts'

test('each object has its own value in each slot', (t) => {
  const [one, other] = [createPrivateSlot<string>(), createPrivateSlot<string>()]
  const [a, b] = [{}, Object.freeze({})]
  t.deepEqual([one.get(a), one.get(b)], [undefined, undefined])
  one.set(a, 'a')
  one.set(b, 'b')
  other.set(a, 'other')
  t.deepEqual([one.get(a), one.get(b), other.get(a), other.get(b)], ['a', 'b', 'other', undefined])
  one.set(a, 'again')
  one.set(b, undefined)
  t.deepEqual([one.get(a), one.get(b), other.get(a)], ['again', undefined, 'other'])
})

test('a value is not seen from outside, nor through what inherits from its object', (t) => {
  const slot = createPrivateSlot<string>()
  const request = new IncomingMessage(new Socket())
  const before = Reflect.ownKeys(request)
  slot.set(request, 'secret')
  t.deepEqual(Reflect.ownKeys(request), before)
  t.false(inspect(request, { depth: 10, showHidden: true }).includes('secret'))
  t.false(JSON.stringify(structuredClone({ ...slot })).includes('secret'))
  t.is(slot.get(Object.create(request) as object), undefined)
  t.is(slot.get(new Proxy(request, {})), undefined)
})
