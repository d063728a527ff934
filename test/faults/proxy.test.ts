import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

import test from 'ava'

import { listen } from '../helpers/http.ts'
import { createLink } from './proxy.ts'

test('what is sent over a link arrives in order, also when the link has just become fast again', async (t) => {
  const received: number[] = []
  const server = createServer((socket) => socket.on('data', (bytes: Buffer) => received.push(...bytes)))
  const link = await createLink(await listen(t, server))
  t.teardown(() => link.close())
  const socket = connect(link.port, '127.0.0.1').setNoDelay(true)
  await once(socket, 'connect')
  t.teardown(() => socket.destroy())

  const sent: number[] = []
  const write = (): void => {
    sent.push(sent.length % 256)
    socket.write(Buffer.from(sent.slice(-1)))
  }
  // Turn by turn, so that data and timers come in any order.
  for (let round = 0; round < 20; round += 1) {
    link.slow(20)
    write()
    const end = performance.now() + 40
    while (performance.now() < end) {
      if (performance.now() > end - 30) link.mend()
      write()
      await turn()
    }
  }
  while (received.length < sent.length) await turn()
  t.deepEqual(received, sent)
})
