// The lines that are written for OpenSSH: the real ssh-keygen takes each for the key that it is.

import { KeyObject } from 'node:crypto'

import test from 'ava'

import { type Algorithm, generateKey, importKey } from '../../src/index.ts'
import { readKeyText } from '../../src/keys/import.ts'
import { writeOpenSshLine } from '../../src/keys/openssh-line.ts'
import { createKeyFiles } from '../helpers/key-files.ts'

const files = await createKeyFiles()
test.after.always(() => files.remove())

for (const algorithm of ['ES256', 'ES384', 'ES512', 'EdDSA', 'PS256'] as const satisfies readonly Algorithm[]) {
  test(`KY-03 ssh-keygen reads the line of a ${algorithm} key as that key, and so does the kit`, async (t) => {
    // Numbers whose highest bit is set are written with one byte more: several keys, so that both kinds are among them.
    for (let i = 0; i < (algorithm === 'PS256' ? 1 : 8); i += 1) {
      const { publicJwk, thumbprint, kid } = await importKey(await generateKey(algorithm))
      const line = writeOpenSshLine(publicJwk ?? t.fail())
      const name = `${algorithm}-${i}.pub`
      await files.write(name, line)
      t.true((await files.sshKeygen('-l', '-f', name)).includes(kid))
      t.is(await files.sshThumbprint(name), thumbprint)
      t.is((await importKey(line, { algorithm })).thumbprint, thumbprint)
    }
  })
}

test('the text of a key is read as it is written, before anything is demanded of it', async (t) => {
  await files.openssl('genrsa', '-out', 'weak.pem', '1024')
  const weak = readKeyText(await files.read('weak.pem'))
  t.true(weak instanceof KeyObject && weak.type === 'private')
  t.like(readKeyText('{"kty":"EC","crv":"P-256"}'), { kty: 'EC' })
  t.throws(() => readKeyText('a sentence'), { instanceOf: TypeError })
})
