// Everything that is public, and nothing else.

export type { CookieOptions } from './options/cookie.ts'
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorRow,
  type ErrorSubject,
  isSessionError,
  SessionError,
  type SessionErrorOptions,
} from './errors.ts'
export type {
  EndReason,
  EventBase,
  EventName,
  Refusal,
  RequestInfo,
  RevocationInfo,
  SessionEvents,
  SessionEventSource,
  SessionInfo,
} from './events.ts'
export type { FingerprintFormat } from './fingerprint.ts'
export type { Algorithm } from './keys/algorithms.ts'
export {
  createEncryptionKeys,
  type EncryptingKey,
  type EncryptionKey,
  type EncryptionKeys,
  generateEncryptionKey,
} from './keys/encryption.ts'
export type { EncryptionAlgorithm } from './keys/encryption-algorithms.ts'
export type { KeyEncryptionKey } from './keys/at-rest.ts'
export { generateKey } from './keys/generate.ts'
export { importKey, type ImportOptions, type KeyInput } from './keys/import.ts'
export { createKeySet, type KeySet, type KeySetOptions } from './keys/key-set.ts'
export type { Key, PublicJwk, SigningKey } from './keys/key.ts'
export type { KeyRotation } from './keys/plan.ts'
export type { NextKey, PlannedKey, RotateOptions, RotatingKeys } from './keys/rotating-keys.ts'
export { createSessionKit } from './kit.ts'
export type { AuthState, Context, LoginContext, OptionalAuthState, SessionContext } from './koa/context.ts'
export type { CorsOptions } from './koa/cors.ts'
export type { TokenResponse } from './koa/delivery.ts'
export type { DelegatedToken, DelegateOptions, TicketOptions } from './koa/derive.ts'
export type { SessionItem } from './koa/devices.ts'
export type { Counter, LimitedAction, Limiter, SharedLimiter } from './koa/limiter.ts'
export type { Protect, ProtectOptions } from './koa/protect.ts'
export type { UpgradeOptions } from './koa/upgrade.ts'
export type { LiveSession } from './live.ts'
export type { ClientOptions } from './options/clients.ts'
export type { SessionKitOptions } from './options/options.ts'
export type { RevocationTarget } from './revocation.ts'
export { createRotatingKeys, type RotatingKeysOptions } from './rotating-keys.ts'
export type { SessionKit } from './session-kit.ts'
export type { SessionData } from './session/record.ts'
export type { Reauthorization, RefreshingSession } from './session/refresh.ts'
export type { Renewal, SessionSummary, Subject } from './session/session.ts'
export { memoryStore } from './store/memory.ts'
export { NEVER, type NewRecord, type Store, type StoreKind, type StoreRecord } from './store/store.ts'
export type { Clock, Duration, Milliseconds, Seconds } from './time.ts'
export type { TokenClaims } from './token/claims.ts'
export type { Auth } from './auth.ts'
