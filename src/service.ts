// What a service needs that verifies and issues nothing: `koa-holdfast/verifier`. Loads neither Koa nor a store.

export { ERROR_CODES, type ErrorCode, isSessionError, SessionError } from './errors.ts'
export type { SessionEvents, SessionEventSource } from './events.ts'
export { importKey, type KeyInput } from './keys/import.ts'
export { createKeySet, type KeySet, type KeySetOptions } from './keys/key-set.ts'
export type { TrustOptions, VerifierOptions } from './service/options.ts'
export { createIntrospector } from './service/introspector.ts'
export type { IntrospectorOptions } from './service/introspector-options.ts'
export type { ServiceAuth, ServiceSettings, ServiceVerifier } from './service/service.ts'
export { createVerifier } from './service/verifier.ts'
export type { Credentials } from './verifier.ts'
