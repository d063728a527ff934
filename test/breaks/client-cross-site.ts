// What is broken for test/client/cross-site.test.ts.

import type { Area } from './break.ts'

const COOKIE = 'src/options/cookie.ts'
const LINK = 'CL-10 after a link from another site the document has no cookie, and every call has'
const FORM = 'a form of another site is refused, whatever it sends and wherever'
const SCRIPT = 'a script of another site is refused, and reads nothing'
const CLEAR = 'Clear-Site-Data takes what it names and nothing else'

export const clientCrossSite: Area = {
  test: 'test/client/cross-site.test.ts',
  breaks: [
    {
      titles: [LINK],
      what: 'the cookies are sent with links from other sites',
      file: COOKIE,
      find: "strict: 'Strict'",
      replace: "strict: 'Lax'",
    },
    {
      titles: [LINK],
      what: 'a page that does not know yet says signed out',
      file: 'src/client/session.ts',
      find: "held === null ? 'signed-out' : 'unknown'",
      replace: "'signed-out'",
    },
    {
      titles: ['what the page itself goes on to has the cookie, whatever it came from'],
      what: "the fingerprint is for the kit's own routes only",
      file: COOKIE,
      find: "path = '/', sameSite",
      replace: "path = '/auth', sameSite",
    },
    {
      titles: [FORM, SCRIPT],
      what: 'the routes do not look at where a request comes from',
      file: 'src/koa/cross-site.ts',
      find: "  if (!isAllowed(ctx.req.headers, rule)) throw new SessionError('ERR_CROSS_SITE')\n",
      replace: '',
    },
    {
      titles: [FORM],
      what: 'navigations count as made by the user, wherever they come from',
      file: 'src/koa/cross-site.ts',
      find: 'return rule.crossSite && isListed === true',
      replace: "return headers['sec-fetch-mode'] === 'navigate' || (rule.crossSite && isListed === true)",
    },
    {
      titles: [SCRIPT],
      what: 'scripts of every origin may read the answers',
      file: 'src/koa/cors.ts',
      find: "return origins.includes(origin) ? origin : ''",
      replace: 'return origins.length > 0 ? origin : origins.join()',
    },
    {
      titles: [CLEAR],
      what: 'what is to be cleared is not quoted, so browsers ignore it',
      file: 'src/options/values.ts',
      find: "`\"${oneOf(value, 'clearSiteData', ['storage', 'cache', 'cookies'])}\"`",
      replace: "oneOf(value, 'clearSiteData', ['storage', 'cache', 'cookies'])",
    },
    {
      titles: [CLEAR],
      what: 'everything is cleared',
      file: 'src/koa/delivery.ts',
      find: "ctx.set('Clear-Site-Data', settings.clearSiteData)",
      replace: "ctx.set('Clear-Site-Data', '\"*\"')",
    },
  ],
}
