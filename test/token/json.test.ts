// What the strict JSON reader takes, against a description of JSON that is written, not parsed: a tree is drawn, printed
// in a random spelling, and judged by what is in the tree.

import test, { type ExecutionContext } from 'ava'
import * as fc from 'fast-check'

import { parseJsonObject, parseOwnJson } from '../../src/token/json.ts'
import { leastCost } from '../helpers/cost.ts'

const parse = (text: string): Readonly<Record<string, unknown>> => parseJsonObject(Buffer.from(text))
const nest = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
const objects = (levels: number): string => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels)

/** JSON to everyone else, and refused all the same. */
function assertOwnRefusal(t: ExecutionContext, text: string): void {
  t.notThrows(() => JSON.parse(text) as unknown, text)
  t.throws(() => parse(text), { instanceOf: Error }, text)
}

test('reads an object as JSON.parse does, without a prototype, and what is in it frozen', (t) => {
  const text = ' {"a":[1,{"b":null}],"c":"\\u00e9\\ud83d\\ude00","d":-1.5e3,"e":{},"":true}\r\n\t'
  const value = parse(text)
  t.deepEqual({ ...value }, JSON.parse(text) as object)
  t.is(Object.getPrototypeOf(value), null)
  t.false('toString' in value)
  t.true(Object.isFrozen(parseOwnJson(text)))
  for (const { a, e } of [value, parseOwnJson(text)]) {
    for (const part of [a, (a as unknown[])[1], e]) t.true(Object.isFrozen(part))
  }
  t.deepEqual(Object.keys(parse('{}')), [])
})

test('refuses JSON that is no object', (t) => {
  for (const text of ['', ' ', 'null', 'true', '0', '"x"', '[]', '[{}]', '"{}"', '[["a",1]]'])
    t.throws(() => parse(text), undefined, text)
})

test('refuses what is not JSON', (t) => {
  const cases = [
    ...[
      '{',
      '}',
      '{}{}',
      '{}x',
      '{},',
      '{a:1}',
      "{'a':1}",
      '{"a":1,}',
      '{,}',
      '{"a"}',
      '{"a":}',
      '{"a":01}',
      '{"a":.5}',
    ],
    ...['{"a":+1}', '{"a":0x1}', '{"a":NaN}', '{"a":Infinity}', '{"a":undefined}', '{"a":1}//', '{/**/}', '{"a":"\t"}'],
    ...['{"a":"\n"}', '{"a":"\\x41"}', '{"a":"\\u12"}', '{"a":"\\', '{"a":"', '{"a', '{"', '{"a":1 "b":2}', '\u00a0{}'],
    ...['{}\0', '\0{}', '{}\u2028', '\ufeff{}', '\ufeff\ufeff{}', '{}\ufeff', '{\ufeff}', ")]}'\n{}", '{"a":1;"b":2}'],
  ]
  for (const text of cases) t.throws(() => parse(text), undefined, JSON.stringify(text))
})

/** An object of one member, in whose text these bytes are. */
const around = (bytes: readonly number[]): Buffer =>
  Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')])

test('refuses bytes that are not UTF-8, and a byte order mark of any encoding', (t) => {
  const cases = [
    [0xff],
    [0x80],
    [0xc0, 0xae],
    [0xc1, 0x81],
    [0xe0, 0x80, 0xaf],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
  ]
  for (const bytes of [...cases, [0xe2, 0x82], [0xf0, 0x9f, 0x98]])
    t.throws(() => parseJsonObject(around(bytes)), undefined, String(bytes))
  for (const mark of [
    [0xef, 0xbb, 0xbf],
    [0xff, 0xfe],
    [0xfe, 0xff],
    [0, 0, 0xfe, 0xff],
    [0x2b, 0x2f, 0x76, 0x38],
  ]) {
    t.throws(() => parseJsonObject(Buffer.concat([Buffer.from(mark), Buffer.from('{}')])), undefined, String(mark))
  }
  t.throws(() => parseJsonObject(Buffer.from('{}', 'utf16le')))
  t.is(parseJsonObject(around([0xe2, 0x82, 0xac]))['a'], '\u20ac')
  // Inside a string it is a character like another (RFC 8259 section 8.1 is about the start of the text).
  t.is(parseJsonObject(around([0xef, 0xbb, 0xbf]))['a'], '\ufeff')
})

test('refuses a member name that comes twice in one object, however it is spelt', (t) => {
  const cases = [
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"a":2}',
    '{"\\u00E9":1,"\u00e9":2}',
    '{"\\/":1,"/":2}',
    '{"\\n":1,"\\u000a":2}',
    '{"\\"":1,"\\u0022":2}',
    '{"\\\\":1,"\\u005c":2}',
    '{"\\ud83d\\ude00":1,"\u{1f600}":2}',
    '{"":1,"":2}',
    '{"a" :1,"a"\n\t\r :2}',
    '{"x":{"a":1,"a":2}}',
    '{"x":[[{"a":1,"a":2}]]}',
    '{"a":{"b":1},"c":0,"a":{"b":1}}',
    '{"a":{},"a":[]}',
    '{"x":[{"y":1}],"x":2}',
    '{"x":"{","a":1,"a":2}',
    '{"x":"\\"","a":1,"a":2}',
    '{"x":"\\\\","a":1,"a":2}',
    '{"x":"]}","a":1,"a":2}',
    '{"toString":1,"toString":2}',
  ]
  for (const text of cases) assertOwnRefusal(t, text)
})

test('takes a name again in another object, and text that only looks like a name', (t) => {
  const cases = [
    '{"a":{"a":{"a":1}}}',
    '{"x":[{"a":1},{"a":2}],"a":3}',
    '{"a":1,"x":{"a":1},"b":{"a":1}}',
    '{"a":"a","b":"a","c":["a","a","b"]}',
    '{"a":"\\"a\\":1","b":"{\\"a\\":1,\\"a\\":2}"}',
    '{"a":1,"A":2,"\\"a":3,"a\\\\":4,"a ":5," a":6}',
    '{"\u00e9":1,"e\u0301":2}',
    '{"\\ud800":1,"\\ud801":2,"\\udc00":3}',
    '{"constructor":{"prototype":{"x":1}},"hasOwnProperty":1,"__proto":1,"_proto__":2,"__proto__ ":3}',
  ]
  for (const text of cases) t.deepEqual({ ...parse(text) }, JSON.parse(text) as object, text)
})

test('refuses __proto__ as a name anywhere, but not as a value', (t) => {
  const names = [
    '__proto__',
    '\\u005f_proto__',
    '__prot\\u006f__',
    '\\u005F\\u005f\\u0070\\u0072\\u006f\\u0074\\u006f\\u005f_',
  ]
  for (const name of names) {
    for (const value of ['1', 'null', '{}', '{"admin":true}']) {
      for (const text of [
        `{"${name}":${value}}`,
        `{"a":[{"b":{"${name}" :${value}}}]}`,
        `{"a":1,"${name}":${value}}`,
      ]) {
        assertOwnRefusal(t, text)
      }
    }
  }
  t.is(({} as Record<string, unknown>)['admin'], undefined)
  t.is(parse('{"a":"__proto__","b":["__proto__"]}')['a'], '__proto__')
})

test('takes 16 levels and refuses the next, of arrays, objects or both', (t) => {
  t.notThrows(() => parse(`{"a":${nest(15)}}`))
  assertOwnRefusal(t, `{"a":${nest(16)}}`)
  t.notThrows(() => parse(objects(16)))
  assertOwnRefusal(t, objects(17))
  t.notThrows(() => parse(`{"a":[{"b":[${objects(12)}]}]}`))
  assertOwnRefusal(t, `{"a":[{"b":[${objects(13)}]}]}`)
  // Depth is what is open at once, not how much there is, and brackets in strings open nothing.
  t.notThrows(() => parse(`{"a":[${Array.from({ length: 500 }, () => nest(14)).join()}]}`))
  t.notThrows(() => parse(JSON.stringify({ a: nest(100), ['['.repeat(50)]: '{'.repeat(50) })))
})

test('does not overflow the stack or take more than linear time', async (t) => {
  const many = 200_000
  const texts = {
    'open arrays': '['.repeat(many),
    'deep arrays': `{"a":${nest(many)}}`,
    quotes: `{"a":"${'\\"'.repeat(many)}"}`,
    backslashes: `{"a":"${'\\\\'.repeat(many)}"}`,
    'white space': `{"a"${' '.repeat(many)}:1}`,
    'strings with white space': `{"a":[${'"" ,'.repeat(many / 4)}""]}`,
    'an unclosed string': `{"a":"${'x'.repeat(many)}`,
    'many names': `{${Array.from({ length: 20_000 }, (_, i) => `"${i}":0`).join()}}`,
  }
  for (const [label, text] of Object.entries(texts)) {
    // Quadratic time would be most of a minute; this leaves room for a slow machine.
    const cost = await leastCost(3000, () => {
      try {
        parse(text)
        t.pass()
      } catch (error) {
        t.false(error instanceof RangeError, label)
      }
    })
    t.true(cost < 3000, `${label} took ${cost} ms`)
  }
})

/** JSON as a tree in which a name can come twice. A leaf is the text of a scalar. */
type Tree =
  | { readonly kind: 'leaf'; readonly value: string | number | boolean | null }
  | { readonly kind: 'array'; readonly items: readonly Tree[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Tree])[] }

// Few names, so that repetitions are common, and strings full of what means something to a scanner.
const name = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '', '"', '\\', '/', '{', '\u00e9', '\u{1f600}', '\ud800', '\n', 'constructor'),
  { weight: 6, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
)
const rareName = fc.oneof({ weight: 40, arbitrary: name }, { weight: 1, arbitrary: fc.constant('__proto__') })
const texts = fc.oneof(
  fc.string({ unit: fc.constantFrom('"', '\\', ':', ',', '{', '}', '[', ']', ' ', 'a', '\n', '\u2028') }),
  fc.string({ unit: 'binary' }),
  fc.constant('__proto__'),
)
const leaf = fc.oneof(
  texts,
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
  fc.boolean(),
  fc.constant(null),
)
const trees = fc.letrec<{ tree: Tree; object: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'large', withCrossShrink: true },
    leaf.map((value): Tree => ({ kind: 'leaf', value })),
    fc.array(tie('tree'), { maxLength: 4 }).map((items): Tree => ({ kind: 'array', items })),
    tie('object'),
  ),
  object: fc
    .array(fc.tuple(rareName, tie('tree')), { maxLength: 5 })
    .map((members): Tree => ({ kind: 'object', members })),
}))
// A drawn object inside more brackets: on both sides of the limit on depth.
const wrapped = fc
  .tuple(trees.object, fc.integer({ min: 0, max: 17 }), fc.boolean())
  .map(([object, levels, inArrays]) => {
    let tree = object
    for (let i = 0; i < levels; i += 1) {
      tree = inArrays && i < levels - 1 ? { kind: 'array', items: [tree] } : { kind: 'object', members: [['a', tree]] }
    }
    return tree
  })

/** A spelling: an endless supply of choices, drawn from a list of numbers. */
function createChooser(choices: readonly number[]): (among: number) => number {
  let i = 0
  return (among) => {
    i += 1
    return (choices[i % Math.max(1, choices.length)] ?? 0) % among
  }
}

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t', '\r': '\\r', '\b': '\\b', '\f': '\\f' }

/** Prints the tree with random white space and random escapes. */
function print(tree: Tree, choose: (among: number) => number): string {
  const space = (): string => ['', '', '', ' ', '\n', '\t\r '][choose(6)] ?? ''
  const unit = (character: string): string => {
    const hex = character.charCodeAt(0).toString(16).padStart(4, '0')
    const escaped = `\\u${choose(2) === 0 ? hex : hex.toUpperCase()}`
    if (choose(4) === 0 || /[\ud800-\udfff]/.test(character)) return escaped
    if (character === '"' || character === '\\' || (character === '/' && choose(2) === 0)) return `\\${character}`
    return character < ' ' ? (SHORT[character] ?? escaped) : character
  }
  const quote = (value: string): string =>
    `"${Array.from({ length: value.length }, (_, i) => unit(value[i] ?? '')).join('')}"`
  if (tree.kind === 'leaf') return typeof tree.value === 'string' ? quote(tree.value) : JSON.stringify(tree.value)
  if (tree.kind === 'array') {
    return `[${space()}${tree.items.map((item) => print(item, choose) + space()).join(`,${space()}`)}]`
  }
  const members = tree.members.map(
    ([key, value]) => `${quote(key)}${space()}:${space()}${print(value, choose)}${space()}`,
  )
  return `{${space()}${members.join(`,${space()}`)}}`
}

const childrenOf = (tree: Tree): readonly Tree[] => {
  if (tree.kind === 'leaf') return []
  return tree.kind === 'array' ? tree.items : tree.members.map(([, value]) => value)
}

const depthOf = (tree: Tree): number =>
  tree.kind === 'leaf' ? 0 : 1 + Math.max(0, ...childrenOf(tree).map((child) => depthOf(child)))

function hasBadName(tree: Tree): boolean {
  const names = tree.kind === 'object' ? tree.members.map(([key]) => key) : []
  if (names.includes('__proto__') || new Set(names).size < names.length) return true
  return childrenOf(tree).some((child) => hasBadName(child))
}

test('any JSON object reads as JSON.parse reads it, unless it repeats a name, is too deep or names __proto__', (t) => {
  const counts = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(wrapped, fc.array(fc.nat(1000), { minLength: 1, maxLength: 50 }), (tree, choices) => {
      const written = print(tree, createChooser(choices))
      const expected = JSON.parse(written) as object // the printer writes JSON, or this throws
      let got: object | undefined
      try {
        got = { ...parse(written) }
      } catch {
        got = undefined
      }
      const isBad = hasBadName(tree) || depthOf(tree) > 16
      counts[isBad ? 'refused' : 'taken'] += 1
      if (isBad !== (got === undefined)) throw new Error(`${isBad ? 'took' : 'refused'} ${written}`)
      if (got !== undefined && JSON.stringify(got) !== JSON.stringify(expected)) throw new Error(`misread ${written}`)
    }),
    { numRuns: 1000 },
  )
  // Both halves were tried.
  t.true(counts.taken > 100 && counts.refused > 100, JSON.stringify(counts))
})

test('what JSON.stringify writes comes back, whatever the object', (t) => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 10 })), (value) => {
      const written = JSON.stringify(value)
      fc.pre(!written.includes('__proto__'))
      if (JSON.stringify(parse(written)) !== written) throw new Error(written)
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('any bytes either are one JSON object or throw an Error', (t) => {
  const pieces = fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 10 }))
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    pieces.map(([inside, after]) => Buffer.concat([around([...inside]), after])),
    fc
      .string({ unit: fc.constantFrom(...'{}[]":,\\ua01e-. \n\ufeff'.split('')), maxLength: 60 })
      .map((one) => Buffer.from(one)),
  )
  fc.assert(
    fc.property(bytes, (input) => {
      let got: object
      try {
        got = parseJsonObject(input)
      } catch (error) {
        if (!(error instanceof Error) || error instanceof RangeError) throw new Error('not an Error', { cause: error })
        return
      }
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input)
      if (JSON.stringify(got) !== JSON.stringify(JSON.parse(text))) throw new Error('misread')
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
