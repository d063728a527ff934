// OpenSSH's own formats: every type that ssh-keygen makes today works, and no bytes whatever crash the reader.

import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'

import test from 'ava'
import * as fc from 'fast-check'
import type { JWK } from 'jose'

import { type Algorithm, importKey } from '../../src/index.ts'
import { isOpenSsh, readOpenSsh } from '../../src/keys/openssh.ts'
import { leastCost } from '../helpers/cost.ts'
import { createKeyFiles } from '../helpers/key-files.ts'
import { assertSigns, assertVerifies } from '../helpers/key-use.ts'

const TYPES: readonly {
  readonly name: string
  readonly line: string
  readonly algorithm: Algorithm
  readonly make: readonly string[]
}[] = [
  { name: 'ed25519', line: 'ssh-ed25519 ', algorithm: 'EdDSA', make: ['-t', 'ed25519'] },
  { name: 'p256', line: 'ecdsa-sha2-nistp256 ', algorithm: 'ES256', make: ['-t', 'ecdsa', '-b', '256'] },
  { name: 'p384', line: 'ecdsa-sha2-nistp384 ', algorithm: 'ES384', make: ['-t', 'ecdsa', '-b', '384'] },
  { name: 'p521', line: 'ecdsa-sha2-nistp521 ', algorithm: 'ES512', make: ['-t', 'ecdsa', '-b', '521'] },
  // ssh-keygen's own choice is 3072, which takes longer and reads no differently.
  { name: 'rsa2048', line: 'ssh-rsa ', algorithm: 'PS256', make: ['-t', 'rsa', '-b', '2048'] },
]

// Made once, and here rather than in a hook, since properties take plain values.
const files = await createKeyFiles()
await Promise.all(
  TYPES.map(({ name, make }) =>
    files.sshKeygen('-q', ...make, '-N', '', '-C', `${name} of a person, here`, '-f', name),
  ),
)

const samples = await Promise.all(
  TYPES.map(async ({ name, line, algorithm }) => ({
    type: line,
    algorithm,
    file: unarmour(await files.read(name)),
    line: Buffer.from((await files.read(`${name}.pub`)).split(' ')[1] ?? '', 'base64'),
  })),
)

test.after.always(() => files.remove())

for (const { name, line, algorithm } of TYPES) {
  test(`KY-03 an OpenSSH ${name} key signs with its file and verifies with its line`, async (t) => {
    const [file, publicLine] = [await files.read(name), await files.read(`${name}.pub`)]
    t.true(file.startsWith('-----BEGIN OPENSSH PRIVATE KEY-----'))
    t.true(publicLine.startsWith(line))
    const kid = await files.sshThumbprint(`${name}.pub`)
    const privateKey = await importKey(file, { algorithm })
    const publicKey = await importKey(publicLine, { algorithm })
    t.is(privateKey.kid, kid)
    t.is(publicKey.kid, kid)
    t.is(publicKey.signingKey, undefined)
    await assertSigns(t, privateKey)
    await assertVerifies(t, publicKey, privateKey)
  })

  test(`an OpenSSH ${name} key is read with CRLF, as bytes, with space around, and a line without its comment`, async (t) => {
    const [file, publicLine] = [await files.read(name), await files.read(`${name}.pub`)]
    const bare = publicLine.split(' ').slice(0, 2).join(' ')
    const kid = await files.sshThumbprint(`${name}.pub`)
    for (const text of [file, publicLine, bare]) {
      for (const input of [text.replaceAll('\n', '\r\n'), Buffer.from(text), `\uFEFF\n ${text}\n\n`, text.trimEnd()]) {
        t.is((await importKey(input, { algorithm })).kid, kid)
      }
    }
  })

  // OpenSSH writes Ed25519 in its own format only.
  if (name === 'ed25519') continue
  test(`what ssh-keygen exports of ${name} as PEM and PKCS#8 is the same key`, async (t) => {
    const kid = await files.sshThumbprint(`${name}.pub`)
    for (const format of ['PEM', 'PKCS8']) {
      const copy = `${name}.${format}`
      await files.write(copy, await files.read(name))
      await files.sshKeygen('-q', '-p', '-m', format, '-N', '', '-f', copy)
      const text = await files.read(copy)
      t.notRegex(text, /OPENSSH/)
      const key = await importKey(text, { algorithm })
      t.is(key.kid, kid)
      t.not(key.signingKey, undefined)
      // Member by member: OpenSSL hides wrong CRT exponents by falling back to the slow way.
      t.deepEqual(readOpenSsh(await files.read(name)), createPrivateKey(text).export({ format: 'jwk' }))
      const spki = await files.sshKeygen('-e', '-m', format, '-f', `${name}.pub`)
      t.is((await importKey(spki, { algorithm })).kid, kid)
    }
  })
}

test('an encrypted OpenSSH key is refused with the command that decrypts it, and the command works', async (t) => {
  for (const [name, type] of [
    ['locked-ed', 'ed25519'],
    ['locked-ec', 'ecdsa'],
  ] as const) {
    await files.sshKeygen('-q', '-t', type, '-N', 'correct horse', '-f', name)
    const text = await files.read(name)
    for (const spelling of [text, text.replaceAll('\n', '\r\n')]) {
      await t.throwsAsync(importKey(spelling), {
        instanceOf: TypeError,
        message: /: cp FILE COPY && ssh-keygen -p -N "" -f COPY$/,
      })
    }
    await files.write(`${name}-copy`, text)
    await files.sshKeygen('-p', '-P', 'correct horse', '-N', '', '-f', `${name}-copy`)
    t.is((await importKey(await files.read(`${name}-copy`))).kid, await files.sshThumbprint(`${name}.pub`))
  }
})

test('VF-23 a weak RSA key of OpenSSH is refused', async (t) => {
  await files.sshKeygen('-q', '-t', 'rsa', '-b', '1024', '-N', '', '-f', 'weak')
  for (const name of ['weak', 'weak.pub']) {
    const text = await files.read(name)
    await t.throwsAsync(importKey(text, { algorithm: 'RS256' }), { instanceOf: TypeError, message: /^key: .*2048/ })
  }
})

test('OpenSSH keys of types that the kit cannot use are refused: security keys, certificates, DSA', async (t) => {
  await files.sshKeygen('-q', '-s', 'ed25519', '-I', 'id', '-n', 'somebody', 'p256.pub')
  const body = (await files.read('p256.pub')).split(' ')[1] ?? ''
  for (const text of [
    await files.read('p256-cert.pub'),
    ...['ssh-dss', 'sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com', 'ssh-ed448', 'ssh-'].map(
      (type) => `${type} ${body} somebody`,
    ),
  ]) {
    await t.throwsAsync(importKey(text), { instanceOf: TypeError, message: /^key: / })
  }
})

test('an authorized_keys file is refused: it is more than one key', async (t) => {
  const text = (await files.read('ed25519.pub')) + (await files.read('p256.pub'))
  await t.throwsAsync(importKey(text), { instanceOf: TypeError, message: /^key: / })
  const restricted = `no-pty,command="true" ${await files.read('ed25519.pub')}`
  await t.throwsAsync(importKey(restricted), { instanceOf: TypeError, message: /^key: / })
})

test('VF-23 a line whose type says another curve or kind than its body is refused', async (t) => {
  const bodies = await Promise.all(TYPES.map(async ({ name }) => (await files.read(`${name}.pub`)).split(' ')[1] ?? ''))
  for (const { line } of TYPES) {
    for (const [i, body] of bodies.entries()) {
      if (TYPES[i]?.line === line) continue
      await t.throwsAsync(importKey(line + body, { algorithm: 'RS256' }), { instanceOf: TypeError, message: /^key: / })
    }
  }
})

test('VF-23 a line whose body names another type than the line is refused', async (t) => {
  for (const { name, line, algorithm } of TYPES) {
    const body = Buffer.from((await files.read(`${name}.pub`)).split(' ')[1] ?? '', 'base64')
    body.write('X', 4) // the first letter of the type
    const text = line + body.toString('base64')
    await t.throwsAsync(importKey(text, { algorithm }), { instanceOf: TypeError, message: /^key: / })
  }
})

test('VF-23 a private number outside its curve, or a public key that is not its own, is refused', async (t) => {
  for (const { name, algorithm } of TYPES) {
    const bytes = unarmour(await files.read(name))
    const publicBytes = Buffer.from((await files.read(`${name}.pub`)).split(' ')[1] ?? '', 'base64')
    // The public key stands in the file twice; the second one belongs to the private part.
    const last = publicBytes.subarray(-20, -4)
    const at = bytes.lastIndexOf(last)
    t.true(at > bytes.indexOf(last), name)
    const broken = Buffer.from(bytes)
    broken[at + 10] = (broken[at + 10] ?? 0) ^ 1
    await t.throwsAsync(importKey(armour(broken), { algorithm }), { instanceOf: TypeError, message: /^key: / }, name)
  }
})

test('VF-23 an Ed25519 seed that does not make the public key beside it is refused', async (t) => {
  const bytes = unarmour(await files.read('ed25519'))
  const publicBytes = Buffer.from((await files.read('ed25519.pub')).split(' ')[1] ?? '', 'base64').subarray(-32)
  const at = bytes.lastIndexOf(publicBytes) - 32
  const broken = Buffer.from(bytes)
  broken[at] = (broken[at] ?? 0) ^ 1
  await t.throwsAsync(importKey(armour(broken)), { instanceOf: TypeError, message: /^key: / })
})

/** An SSH string: a length, and as many bytes (RFC 4251 section 5). */
function field(content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** A positive number as SSH writes it: with a zero in front where the first bit is set. */
function mpint(bytes: Buffer): Buffer {
  return field((bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes)
}

/** An unencrypted file of one private key of these fields (OpenSSH's PROTOCOL.key). */
function privateFile(...fields: readonly Buffer[]): string {
  const key = Buffer.concat([Buffer.alloc(8), ...fields, field('a comment')])
  const padding = Buffer.from(Array.from({ length: 8 - (key.length % 8) }, (_, i) => i + 1))
  const head = [field('none'), field('none'), field(''), Buffer.of(0, 0, 0, 1), field('the public key')]
  return armour(Buffer.concat([Buffer.from('openssh-key-v1\0'), ...head, field(Buffer.concat([key, padding]))]))
}

function rsaFile(jwk: JWK): string {
  const numbers = [jwk.n, jwk.e, jwk.d, jwk.qi, jwk.p, jwk.q].map((number = '') => Buffer.from(number, 'base64url'))
  return privateFile(field('ssh-rsa'), ...numbers.map(mpint))
}

test('VF-23 an RSA file with a prime that is none is refused', (t) => {
  const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  t.deepEqual(readOpenSsh(rsaFile(jwk)), jwk)
  for (const broken of [{ p: 'AQ' }, { q: 'AQ' }, { p: 'AA' }, { q: 'AA' }]) {
    t.throws(() => readOpenSsh(rsaFile({ ...jwk, ...broken })), { instanceOf: TypeError, message: /^key: / })
  }
})

test('VF-23 an ECDSA file with a private number longer than its curve is refused', (t) => {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const [x, y, d] = [jwk.x, jwk.y, jwk.d].map((number = '') => Buffer.from(number, 'base64url')) as [
    Buffer,
    Buffer,
    Buffer,
  ]
  const point = field(Buffer.concat([Buffer.of(4), x, y]))
  const fileWith = (number: Buffer): string =>
    privateFile(field('ecdsa-sha2-nistp256'), field('nistp256'), point, mpint(number))
  t.deepEqual(readOpenSsh(fileWith(d)), jwk)
  for (const long of [Buffer.concat([Buffer.of(1), d]), Buffer.concat([d, Buffer.of(1)]), Buffer.alloc(66, 1)]) {
    t.throws(() => readOpenSsh(fileWith(long)), { instanceOf: TypeError, message: /^key: / })
  }
})

const BEGIN = '-----BEGIN OPENSSH PRIVATE KEY-----'
const END = '-----END OPENSSH PRIVATE KEY-----'

const armour = (bytes: Uint8Array): string => `${BEGIN}\n${Buffer.from(bytes).toString('base64')}\n${END}\n`

function unarmour(text: string): Buffer {
  return Buffer.from(text.split('\n').slice(1, -2).join(''), 'base64')
}

/** A text, and the bytes in it that no error may show. */
interface Input {
  readonly text: string
  readonly bytes: Uint8Array
  readonly algorithm: Algorithm
}

const sample = fc
  .constantFrom(...samples)
  .chain(({ type, algorithm, file, line }) =>
    fc.constantFrom({ type, algorithm, file, line, secret: true }, { type, algorithm, file, line, secret: false }),
  )

function toInput(
  { type, algorithm, secret }: { type: string; algorithm: Algorithm; secret: boolean },
  bytes: Buffer,
): Input {
  return { text: secret ? armour(bytes) : `${type}${bytes.toString('base64')} c`, bytes, algorithm }
}

const mutated: fc.Arbitrary<Input> = fc
  .tuple(sample, fc.nat(), fc.integer({ min: 1, max: 255 }))
  .map(([one, at, mask]) => {
    const bytes = Buffer.from(one.secret ? one.file : one.line)
    const index = at % bytes.length
    bytes[index] = (bytes[index] ?? 0) ^ mask
    return toInput(one, bytes)
  })

const truncated: fc.Arbitrary<Input> = fc.tuple(sample, fc.nat(), fc.boolean()).map(([one, at, ofText]) => {
  const bytes = one.secret ? one.file : one.line
  const whole = toInput(one, bytes)
  if (ofText) return { text: whole.text.slice(0, at % whole.text.length), bytes, algorithm: one.algorithm }
  return toInput(one, bytes.subarray(0, at % bytes.length))
})

// SSH strings one after the other, with lengths that lie now and then.
const anyField = fc
  .tuple(fc.uint8Array({ maxLength: 80 }), fc.option(fc.nat(0xffffffff), { freq: 10 }))
  .map(([bytes, lie]) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(lie ?? bytes.length)
    return Buffer.concat([length, bytes])
  })

const built: fc.Arbitrary<Input> = fc
  .tuple(fc.constantFrom(...samples), fc.array(anyField, { maxLength: 8 }), fc.boolean())
  .map(([one, fields, secret]) => {
    const head = secret ? one.file.subarray(0, 60) : field(one.type.trim())
    return toInput({ ...one, secret }, Buffer.concat([head, ...fields]))
  })

const arbitrary: fc.Arbitrary<Input> = fc
  .tuple(
    fc.constantFrom(BEGIN, `${BEGIN}\n`, 'openssh-key-v1\0', ...samples.map(({ type }) => type), 'ssh-', ''),
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
    fc.constantFrom(END, `\n${END}\n`, ' c', ''),
  )
  .map(([head, body, tail]) => ({ text: head + body + tail, bytes: Buffer.from(body, 'base64'), algorithm: 'RS256' }))

const anyInput = fc.oneof(mutated, truncated, built, arbitrary)

/** The runs of an error's text that could be key material, and are a part of the key in one of the usual spellings. */
function leaks(error: unknown, bytes: Uint8Array): string[] {
  const spellings = (['base64', 'base64url', 'hex', 'latin1'] as const).map((as) => Buffer.from(bytes).toString(as))
  const runs = inspect(error, { depth: 10, showHidden: true }).match(/[A-Za-z0-9+/=_-]{10,}/g) ?? []
  // The names of the format and of its types stand in each file and in messages.
  return runs.filter((run) => !NAMES.includes(run) && spellings.some((spelling) => spelling.includes(run)))
}

const NAMES = ['openssh-key-v1', ...TYPES.map(({ line }) => line.trim())].join(' ')

test('the reader answers every input with a JWK or a TypeError', (t) => {
  fc.assert(
    fc.property(anyInput, (input) => {
      isOpenSsh(input.text)
      try {
        return typeof readOpenSsh(input.text).kty === 'string'
      } catch (error) {
        const { constructor, message } = error as Error
        return constructor === TypeError && message.startsWith('key: ') && leaks(error, input.bytes).length === 0
      }
    }),
    { numRuns: 5000 },
  )
  t.pass()
})

test('KY-16 importKey answers every OpenSSH input with a key or a TypeError, and no error shows a part of the key', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyInput, async (input) => {
      const start = performance.now()
      const curve = input.algorithm === 'PS256' || input.algorithm === 'RS256' ? { algorithm: input.algorithm } : {}
      const error = await importKey(input.text, curve).then(
        () => undefined,
        (thrown: Error) => thrown,
      )
      fc.pre(error !== undefined)
      const { constructor, message } = error
      if (constructor !== TypeError) throw new Error(`another error: ${message}`)
      if (!/^(?:key|algorithm): /.test(message)) throw new Error(`another message: ${message}`)
      if (leaks(error, input.bytes).length > 0) throw new Error('a part of the key is in the error')
      if (performance.now() - start > 10_000) throw new Error('it takes too long')
    }),
    { numRuns: 2000, maxSkipsPerRun: 1000 },
  )
  t.pass()
})

test('KY-16 no error that breaking one byte of an RSA file causes is anything but a TypeError', async (t) => {
  // Every place once: rare combinations make OpenSSL itself give up, deep inside a signature.
  const rsa = samples.find(({ type }) => type === 'ssh-rsa ')
  t.assert(rsa)
  if (rsa === undefined) return
  const strange = new Set<string>()
  for (let at = 0; at < rsa.file.length; at += 1) {
    const bytes = Buffer.from(rsa.file)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    await importKey(armour(bytes), { algorithm: 'RS256' }).catch((error: Error) => {
      if (error.constructor !== TypeError) strange.add(String(error))
    })
  }
  t.deepEqual([...strange], [])
})

// Regular expressions meet the whole file before anything is known about it.
for (const [what, text] of [
  ['spaces for a comment and a second line', `ssh-rsa AAAA ${' '.repeat(100_000)}\nx`],
  ['tabs for a comment and a second line', `ssh-rsa AAAA${' \t'.repeat(50_000)}\nx`],
  ['no-break spaces for a comment', `ssh-rsa AAAA ${'\u00A0'.repeat(100_000)}\nx`],
  ['a body without end', `ssh-rsa ${'A'.repeat(500_000)}!`],
  ['a type without end', `ssh-${'a'.repeat(500_000)}`],
  ['white space for a body', `${BEGIN}\n${' \n'.repeat(250_000)}x`],
  ['white space behind the end', `${BEGIN}\nAAAA${END}${' \n'.repeat(250_000)}x`],
  ['BEGIN again and again', `${BEGIN}\n`.repeat(10_000)],
  ['padding again and again', `${BEGIN}\n${'='.repeat(500_000)}x`],
] as const) {
  test(`a long file is refused at once: ${what}`, async (t) => {
    const cost = await leastCost(1000, () => t.throws(() => readOpenSsh(text), { instanceOf: TypeError }))
    t.true(cost < 1000, `took ${cost} ms`)
  })
}
