// The page: its files and those of the browser client, known by name, and the headers that keep other scripts, frames and
// sites out of it.

import { readdir, readFile } from 'node:fs/promises'

import type { Middleware } from 'koa'

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
}

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

interface PageFile {
  readonly body: Buffer
  readonly type: string
}

/** Makes the middleware that serves the page. Its headers are on every answer of the app. */
export async function createPage(): Promise<Middleware> {
  const files = await readPublic(new URL('public/', import.meta.url))
  files.set('/client.js', await read(new URL(import.meta.resolve('koa-holdfast/client/module'))))

  return async function page(ctx, next) {
    ctx.set(HEADERS)
    const found = ctx.method === 'GET' || ctx.method === 'HEAD' ? files.get(ctx.path) : undefined
    if (found === undefined) {
      await next()
      return
    }
    ctx.set('Cache-Control', 'no-cache')
    ctx.type = found.type
    ctx.body = found.body
  }
}

/** The files of the folder, by the path under which they are served: `index.html` is `/`. */
async function readPublic(folder: URL): Promise<Map<string, PageFile>> {
  const names = await readdir(folder)
  const files = names.map(async (name) => [
    `/${name}`.replace(/\/index\.html$/, '/'),
    await read(new URL(name, folder)),
  ])
  return new Map((await Promise.all(files)) as [string, PageFile][]) // the cast is what map does not tell of pairs
}

async function read(url: URL): Promise<PageFile> {
  const extension = url.pathname.slice(url.pathname.lastIndexOf('.') + 1)
  return { body: await readFile(url), type: TYPES[extension] ?? 'application/octet-stream' }
}
