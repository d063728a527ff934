// A Content Security Policy for pages with a script of their own: that script runs, and what it loads; nothing else does.

import { randomBytes } from 'node:crypto'

import type { Middleware } from 'koa'

export interface PolicyState {
  /** For the page's `<script nonce="…">`. */
  nonce: string
}

/** @param trustedTypes - the Trusted Types policies that may be made: none, unless a library makes its own */
export function createPolicy(trustedTypes: readonly string[] = []): Middleware<PolicyState> {
  return async function policy(ctx, next) {
    ctx.state.nonce = randomBytes(16).toString('base64')
    ctx.set({
      'Content-Security-Policy': [
        "default-src 'none'",
        `script-src 'nonce-${ctx.state.nonce}' 'strict-dynamic'`,
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        `trusted-types ${trustedTypes.join(' ') || "'none'"}`,
      ].join('; '),
      'Cache-Control': 'no-store', // a nonce is good for one answer
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
    })
    await next()
  }
}
