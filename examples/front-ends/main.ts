// Three front ends of one server: /plain, /react and /vue. Only what each folder holds is theirs; the session is the same.

import { readFile } from 'node:fs/promises'

import { Router } from '@koa/router'
import Koa from 'koa'
import { type AuthState, createKeySet, createSessionKit, memoryStore } from 'koa-holdfast'

import { bundle } from './bundle.ts'
import { createPolicy, type PolicyState } from './policy.ts'

const { PORT = '3000', HOST = '127.0.0.1' } = process.env
const issuer = `http://localhost:${PORT}`

const kit = await createSessionKit({
  issuer,
  keys: await createKeySet(),
  store: memoryStore(),
  authenticate(ctx) {
    const { username, password } = ctx.request.body
    return username === 'alice' && password === 'wonderland' ? { sub: 'alice' } : null
  },
})

const read = (file: string): Promise<string> => readFile(new URL(file, import.meta.url), 'utf8')
const client = await readFile(new URL(import.meta.resolve('koa-holdfast/client/module')), 'utf8')

const FRONT_ENDS = [
  // No bundler: the file as it is, and the client beside it.
  { path: '/plain', script: await read('plain/main.js'), policies: [] },
  { path: '/react', script: await bundle('react/main.tsx'), policies: [] },
  { path: '/vue', script: await bundle('vue/main.ts'), policies: ['vue'] },
]

const router = new Router<AuthState & PolicyState>()
router.get('/api/me', kit.protect(), (ctx) => {
  ctx.set('Cache-Control', 'no-store')
  ctx.body = { sub: ctx.state.auth.sub }
})

for (const { path, script, policies } of FRONT_ENDS) {
  const page = await read(`.${path}/index.html`)
  router.get(path, createPolicy(policies), (ctx) => {
    ctx.type = 'html'
    ctx.body = page.replaceAll('{{nonce}}', ctx.state.nonce)
  })
  serve(`${path}/main.js`, 'text/javascript', script)
}
serve('/koa-holdfast-client.js', 'text/javascript', client)
serve('/style.css', 'text/css', await read('style.css'))

function serve(path: string, type: string, body: string): void {
  router.get(path, (ctx) => {
    ctx.type = type
    ctx.body = body
  })
}

const app = new Koa()
app.use(kit.routes())
app.use(router.routes())

app.listen(Number(PORT), HOST, () => {
  console.log(`Sign in as alice / wonderland:\n${FRONT_ENDS.map(({ path }) => issuer + path).join('\n')}`)
})
