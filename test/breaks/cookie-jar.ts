// What is broken for test/testing/cookie-jar-chromium.test.ts.

import type { Area } from './break.ts'

const JAR = 'src/testing/cookie-jar.ts'
const SENDS = 'takes and sends what Chromium does, at every host and path'
const DELETES = 'replaces and deletes as Chromium does'
const SCRIPTS = 'shows scripts what document.cookie shows, and takes from them what it takes'
const ACROSS = 'keeps across sites to itself what Chromium does'

export const cookieJar: Area = {
  test: 'test/testing/cookie-jar-chromium.test.ts',
  breaks: [
    {
      titles: [SENDS],
      what: 'a path is the beginning of another one in the middle of a name',
      file: JAR,
      find: "path.startsWith(cookiePath) && (cookiePath.endsWith('/') || path[cookiePath.length] === '/')",
      replace: 'path.startsWith(cookiePath)',
    },
    {
      titles: [SENDS],
      what: 'the prefixes are told by their case',
      file: JAR,
      find: 'const name = cookie.name.toLowerCase()',
      replace: 'const { name } = cookie',
    },
    {
      titles: [SENDS],
      what: 'any date that JavaScript reads counts',
      file: 'src/testing/set-cookie.ts',
      find: "parseDate(attributes.get('expires') ?? '')",
      replace:
        "(parseDate(attributes.get('expires') ?? '') ?? (Date.parse(attributes.get('expires') ?? '') || undefined))",
    },
    {
      titles: [DELETES],
      what: 'cookies of two paths are one',
      file: JAR,
      find: ' && a.hostOnly === b.hostOnly && a.path === b.path',
      replace: ' && a.hostOnly === b.hostOnly',
    },
    {
      titles: [DELETES],
      what: 'names are the same in any case',
      file: JAR,
      find: 'return a.name === b.name && a.domain',
      replace: 'return a.name.toLowerCase() === b.name.toLowerCase() && a.domain',
    },
    {
      titles: [SCRIPTS],
      what: 'scripts see what is HttpOnly',
      file: JAR,
      find: '  if (cookie.httpOnly && context.script === true) return false\n',
      replace: '',
    },
    {
      titles: [SCRIPTS],
      what: 'scripts replace what is HttpOnly',
      file: JAR,
      find: '    if (old?.httpOnly === true && context.script === true) return\n',
      replace: '',
    },
    {
      titles: [ACROSS],
      what: 'a Strict cookie goes with links from other sites',
      file: JAR,
      find: "return cookie.sameSite !== 'Strict' && context.navigation === true",
      replace: 'return context.navigation === true',
    },
    {
      titles: [ACROSS],
      what: 'an answer across sites sets every cookie',
      file: JAR,
      find: "  if (cookie.sameSite !== 'None' && context.crossSite === true && context.navigation !== true) return true\n",
      replace: '',
    },
  ],
}
