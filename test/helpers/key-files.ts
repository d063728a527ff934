// Key files as people have them: made by the real ssh-keygen and openssl, in a directory that is removed afterwards.

import { execFile } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { calculateJwkThumbprint, exportJWK } from 'jose'

const execute = promisify(execFile)

const PACKAGES = { 'ssh-keygen': 'openssh-client', openssl: 'openssl' } as const

export interface KeyFiles {
  /** Where they are. */
  readonly directory: string
  /** Runs a tool in the directory. */
  openssl(...args: string[]): Promise<string>
  sshKeygen(...args: string[]): Promise<string>
  read(name: string): Promise<string>
  write(name: string, text: string): Promise<void>
  /** What jose makes of the public half of a private PEM file, told by openssl. */
  thumbprint(name: string): Promise<string>
  /** What jose makes of an OpenSSH public line, told by ssh-keygen where it can. */
  sshThumbprint(name: string): Promise<string>
  remove(): Promise<void>
}

export async function createKeyFiles(): Promise<KeyFiles> {
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-keys-'))

  async function run(tool: keyof typeof PACKAGES, args: readonly string[]): Promise<string> {
    try {
      return (await execute(tool, args, { cwd, timeout: 30_000 })).stdout
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      throw new Error(`${tool} is missing; install it: apt-get install ${PACKAGES[tool]}`, { cause: error })
    }
  }

  return {
    directory: cwd,
    openssl: (...args) => run('openssl', args),
    sshKeygen: (...args) => run('ssh-keygen', args),
    read: (name) => readFile(join(cwd, name), 'utf8'),
    write: (name, text) => writeFile(join(cwd, name), text, { mode: 0o600 }),
    thumbprint: async (name) => toThumbprint(await run('openssl', ['pkey', '-in', name, '-pubout'])),
    async sshThumbprint(name) {
      const [type, body = ''] = (await readFile(join(cwd, name), 'utf8')).split(' ')
      if (type !== 'ssh-ed25519') return toThumbprint(await run('ssh-keygen', ['-e', '-m', 'PKCS8', '-f', name]))
      // ssh-keygen exports no Ed25519; the key is what the line ends with (RFC 8709 section 4).
      const x = Buffer.from(body, 'base64').subarray(-32).toString('base64url')
      return calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x })
    },
    remove: () => rm(cwd, { recursive: true, force: true }),
  }
}

async function toThumbprint(pem: string): Promise<string> {
  return calculateJwkThumbprint(await exportJWK(createPublicKey(pem)))
}
