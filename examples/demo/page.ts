// The page: three files, known by name, and the headers that keep other scripts, frames and sites out of it.

import { readFile } from 'node:fs/promises'

import type { Middleware } from 'koa'

const FILES = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/app.js': { file: 'app.js', type: 'text/javascript; charset=utf-8' },
  '/style.css': { file: 'style.css', type: 'text/css; charset=utf-8' },
} as const

const HEADERS = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const

/** Makes the middleware that serves the page. Its headers are on every answer of the app. */
export async function createPage(): Promise<Middleware> {
  const contents = new Map<string, { readonly body: Buffer; readonly type: string }>()
  for (const [path, { file, type }] of Object.entries(FILES)) {
    contents.set(path, { body: await readFile(new URL(`public/${file}`, import.meta.url)), type })
  }

  return async function page(ctx, next) {
    ctx.set(HEADERS)
    const found = ctx.method === 'GET' || ctx.method === 'HEAD' ? contents.get(ctx.path) : undefined
    if (found === undefined) {
      await next()
      return
    }
    ctx.set('Cache-Control', 'no-cache')
    ctx.type = found.type
    ctx.body = found.body
  }
}
