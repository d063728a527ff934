// What to tell somebody whose login, logout or refresh did not succeed.

import { ClientError, type ClientErrorCode } from 'koa-holdfast/client'

const SENTENCES: Readonly<Record<ClientErrorCode, string>> = {
  ERR_LOGIN_FAILED: 'The user name or the password is wrong.',
  ERR_RATE_LIMITED: 'Too many attempts. Please wait a while.',
  ERR_REFUSED: 'The server does not accept this.',
  ERR_UNAVAILABLE: 'The server has a problem. Please try again later.',
  ERR_UNREACHABLE: 'There is no connection. Please try again.',
}

export function explain(error: unknown): string {
  return error instanceof ClientError ? SENTENCES[error.code] : String(error)
}
