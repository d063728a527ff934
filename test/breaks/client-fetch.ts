// What is broken for test/client/fetch.test.ts.

import type { Area } from './break.ts'

const FETCH = 'src/client/fetch.ts'
const NATIVES = 'src/client/natives.ts'
const ORIGINS = 'CL-02 only the origins of the options get the token, whatever looks like them'
const COOKIES = 'CL-03 the cookies go along, unless the caller says otherwise, and then the token does not either'
const OVERHEARD = 'CL-04 what is put in the place of the functions of the page later sees neither token nor password'
const SAME = 'everything but the token arrives as it does with the own fetch of the browser, also the second time'
const GIVEN_UP = 'who gives up while the session is refreshed is told so at once, and as fetch would'
const STREAM = 'a stream is sent once: with a token that lasts, and with the answer that comes'

export const clientFetch: Area = {
  test: 'test/client/fetch.test.ts',
  breaks: [
    {
      titles: [ORIGINS],
      what: 'the token goes to every origin',
      file: FETCH,
      find: "url.startsWith('http') && origins.has(new URL(url).origin)",
      replace: "url.startsWith('http')",
    },
    {
      titles: [ORIGINS],
      what: 'the token goes to every port of a host that is listed',
      file: FETCH,
      find: 'origins.has(new URL(url).origin)',
      replace: '[...origins].some((origin) => new URL(origin).hostname === new URL(url).hostname)',
    },
    {
      titles: [ORIGINS],
      what: 'the token goes to whatever begins like an origin that is listed',
      file: FETCH,
      find: 'origins.has(new URL(url).origin)',
      replace: '[...origins].some((origin) => url.startsWith(origin))',
    },
    {
      titles: [COOKIES],
      what: 'another origin gets the token without the cookies',
      file: FETCH,
      find: "      ...(isForeign && !init?.credentials && { credentials: 'include' }),\n",
      replace: '',
    },
    {
      titles: [COOKIES],
      what: 'the token goes along where the caller wanted no credentials',
      file: FETCH,
      find: "credentials === 'omit' || ",
      replace: '',
    },
    {
      titles: ['CL-02 the token does not follow a redirect to another origin, nor come back from there'],
      what: 'what another origin says after a redirect counts as a refusal of the token',
      file: FETCH,
      find: 'status === 401 && isOwn(url) && ',
      replace: 'status === 401 && ',
    },
    {
      titles: ['CL-02 a browser that may be too old to take the token off is not redirected'],
      what: 'an old browser is redirected with the token',
      file: FETCH,
      find: "      ...(!canRedirect && redirect === 'follow' && { redirect: 'error' }),\n",
      replace: '',
    },
    {
      titles: [OVERHEARD],
      what: 'fetch is looked up when it is called',
      file: NATIVES,
      find: 'globalThis.fetch.bind(globalThis)',
      replace: '(...parameters) => globalThis.fetch(...parameters)',
    },
    {
      titles: [OVERHEARD],
      what: 'JSON.stringify is looked up when it is called',
      file: NATIVES,
      find: ': typeof JSON.stringify = JSON.stringify',
      replace: ' = (value: unknown): string => JSON.stringify(value)',
    },
    {
      titles: [OVERHEARD],
      what: 'the header is set by the method that the page has now',
      file: NATIVES,
      find: 'detach(Headers.prototype.set)',
      replace: '(headers, name, value) => headers.set(name, value)',
    },
    {
      titles: [OVERHEARD],
      what: 'the answer is read by the method that the page has now',
      file: NATIVES,
      find: 'detach(Response.prototype.text)',
      replace: '(response) => response.text()',
    },
    {
      titles: ['CL-09 nothing in the address of the page changes what is asked of whom'],
      what: 'the address of the page may name other routes',
      file: 'src/client/options.ts',
      find: "prefix = '/auth',",
      replace: "prefix = new URLSearchParams(globalThis.location?.search).get('prefix') ?? '/auth',",
    },
    {
      titles: ["an Authorization header of the caller's own is left alone"],
      what: "the caller's Authorization is replaced",
      file: FETCH,
      find: " || given.headers.has('Authorization')",
      replace: '',
    },
    {
      titles: [SAME],
      what: 'the referrer of the caller is reset',
      file: FETCH,
      find: '      ...{ referrer, referrerPolicy },\n',
      replace: '',
    },
    {
      titles: [SAME],
      what: 'the second time a request is made anew, whose body has gone',
      file: FETCH,
      find: 'spare.clone()',
      replace: 'new Request(input, init)',
    },
    {
      titles: ['a call before the session is known waits for it'],
      what: 'a call before the session is known goes without a token',
      file: FETCH,
      find: 'if (!spare || !store.held || secondsLeft(store.held) < MARGIN)',
      replace: 'if (!spare || (store.held && secondsLeft(store.held) < MARGIN))',
    },
    {
      titles: ['a lasting 401 is tried once more and refreshes once, however often it is asked'],
      what: 'each 401 refreshes, also where a new token did not help',
      file: FETCH,
      find: 'if (isCurrent && !used.isFutile)',
      replace: 'if (isCurrent)',
    },
    {
      titles: ['what is not the fault of the token is neither tried again nor refreshed'],
      what: 'every 401 counts as the fault of the token',
      file: FETCH,
      find: ` && /error="?invalid_token/i.test(getHeader(headers, 'WWW-Authenticate') ?? '')`,
      replace: '',
    },
    {
      titles: ['what was asked for as one user is not done as another'],
      what: 'a call is tried again with whatever token there is',
      file: FETCH,
      find: 'store.held && (sid ??= store.held.sid) === store.held.sid ? store.held : undefined',
      replace: 'store.held ?? undefined',
    },
    {
      titles: [GIVEN_UP],
      what: 'a call that was given up waits for the refresh all the same',
      file: FETCH,
      find: "    signal.addEventListener('abort', resolve)\n",
      replace: '',
    },
    {
      titles: [GIVEN_UP],
      what: 'who gives up is told another reason than theirs',
      file: FETCH,
      find: '  })\n  signal.throwIfAborted()',
      replace: "  })\n  if (signal.aborted) throw new DOMException('given up', 'AbortError')",
    },
    {
      titles: ['what cannot be asked at all rejects as fetch does'],
      what: 'a network error becomes an error of the client',
      file: FETCH,
      find: '  return nativeFetch(request)\n',
      replace: "  return nativeFetch(request).catch(() => Promise.reject(new Error('ERR_UNREACHABLE')))\n",
    },
    {
      titles: [STREAM],
      what: 'a stream is tried again',
      file: FETCH,
      find: 'init?.body instanceof ReadableStream ? undefined : request.clone()',
      replace: 'request.clone()',
    },
    {
      titles: [STREAM],
      what: 'a stream is sent with a token that is being replaced',
      file: FETCH,
      find: 'if (!spare || !store.held || ',
      replace: 'if (!store.held || ',
    },
  ],
}
