// What login, logout and refresh reject with. Never what was sent, nor what came back.

/** A stable name for what went wrong. */
export type ClientErrorCode =
  /** The login was not accepted (401). */
  | 'ERR_LOGIN_FAILED'
  /** Too many attempts (429): `retryAfter` says how long to wait. */
  | 'ERR_RATE_LIMITED'
  /** Refused for another reason (4xx): what was sent, or where it was sent from. */
  | 'ERR_REFUSED'
  /** The server is not able to answer now (5xx). */
  | 'ERR_UNAVAILABLE'
  /** No answer, or none that is a kit's: the network, or the server, is away. */
  | 'ERR_UNREACHABLE'

/** An error of the client. What `fetch` rejects with is never one: that is the browser's own. */
export class ClientError extends Error {
  declare readonly code: ClientErrorCode
  /** Of the answer; 0 without one. */
  declare readonly status: number
  /** Seconds to wait, where the answer said. */
  declare readonly retryAfter: number | undefined

  constructor(code: ClientErrorCode, status: number, retryAfter?: number) {
    super(code)
    Object.assign(this, { name: 'ClientError', code, status, retryAfter })
  }
}
