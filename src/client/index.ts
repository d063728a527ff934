// The entry of `koa-holdfast/client`.

export { createClient, type Client } from './client.ts'
export { ClientError, type ClientErrorCode } from './errors.ts'
export type { ClientOptions } from './options.ts'
export type { Session, SignedIn } from './session.ts'
