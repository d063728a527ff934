// What the endpoints for clients have in common: a form, a client that has proved who it is and may do this, and a token.
// They are for servers: no cookie is read, and no page of another origin reads the answer.

import { SessionError } from '../errors.ts'
import type { ClientAction, ClientSettings } from '../options/clients.ts'
import type { CookieSettings } from '../options/cookie.ts'
import { readForm } from './body.ts'
import type { ClientAuthenticator } from './clients.ts'
import type { Context } from './context.ts'
import { assertTransport } from './cookies.ts'
import type { Route } from './routes.ts'

/** Does what a client has asked for. */
export type ClientHandler = (ctx: Context, token: string, client: ClientSettings) => Promise<void>

/** The routes, and what the issuer's metadata says of them. */
export interface ClientEndpoints {
  readonly routes: readonly Route[]
  /** @see https://www.rfc-editor.org/rfc/rfc8414#section-2 */
  readonly metadata: Readonly<Record<string, unknown>>
}

/** Makes the endpoints of one kit; none where no client is named. */
export function createClientEndpoints(options: {
  readonly settings: { readonly issuer: string; readonly prefix: string; readonly cookie: CookieSettings }
  readonly clients: readonly ClientSettings[]
  readonly authenticator: ClientAuthenticator
  readonly handlers: Readonly<Record<ClientAction, ClientHandler>>
}): ClientEndpoints {
  const { settings, clients, authenticator, handlers } = options
  const { issuer, prefix, cookie } = settings
  if (clients.length === 0) return { routes: [], metadata: {} }
  const ways = describeAuthentication(clients)

  function createEndpoint(action: ClientAction, name: string): ClientEndpoints {
    const path = `${prefix}/${action}`
    const url = issuer + path
    return {
      routes: [
        {
          method: 'POST',
          path,
          // OAuth clients read the `error` of nothing else (RFC 6749 section 5.2).
          refusalType: 'application/json; charset=utf-8',
          async handle(ctx) {
            removeCors(ctx)
            assertTransport(ctx, cookie)
            const form = await readForm(ctx)
            const client = await authenticator.authenticate(ctx, form, action, [issuer, url])
            if (!client[action]) throw new SessionError('ERR_CLIENT_FORBIDDEN')
            const token = form.get('token')
            if (token === undefined) throw new SessionError('ERR_BODY_MALFORMED', { detail: 'no token' })
            await handlers[action](ctx, token, client)
          },
        },
      ],
      metadata: Object.fromEntries([
        [`${name}_endpoint`, url],
        ...ways.map(([member, values]) => [`${name}_endpoint_${member}`, values] as const),
      ]),
    }
  }

  const endpoints = [createEndpoint('introspect', 'introspection'), createEndpoint('revoke', 'revocation')]
  return {
    routes: endpoints.flatMap(({ routes }) => routes),
    metadata: Object.assign({}, ...endpoints.map(({ metadata }) => metadata)) as ClientEndpoints['metadata'],
  }
}

/** How these clients can authenticate, in the words of RFC 8414. */
function describeAuthentication(clients: readonly ClientSettings[]): readonly (readonly [string, readonly string[]])[] {
  const algorithms = [...new Set(clients.flatMap(({ keys }) => keys.map(({ alg }) => alg)))]
  const methods = [
    ...(clients.some(({ secrets }) => secrets.length > 0) ? ['client_secret_basic', 'client_secret_post'] : []),
    ...(algorithms.length > 0 ? ['private_key_jwt'] : []),
  ]
  return [
    ['auth_methods_supported', methods],
    ...(algorithms.length > 0 ? [['auth_signing_alg_values_supported', algorithms] as const] : []),
  ]
}

/** What a CORS middleware of the whole app has set before. */
function removeCors(ctx: Context): void {
  for (const name of ctx.res.getHeaderNames()) if (name.startsWith('access-control-')) ctx.remove(name)
}
