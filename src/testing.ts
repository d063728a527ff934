// What the test suites of applications use, with any runner. Nothing else of the package loads it.

export { type Loot, raceRefresh, replayRefresh, steal } from './testing/attacks.ts'
export { createTestClient, type Holdings, type TestClient, type TestClientOptions } from './testing/client.ts'
export { createTestClock, type TestClock } from './testing/clock.ts'
export { type Cookie, type CookieContext, type CookieJar, createCookieJar } from './testing/cookie-jar.ts'
export {
  type Breakage,
  createTestIssuer,
  type SignOptions,
  type TestIssuer,
  type TestIssuerOptions,
  type TestToken,
} from './testing/issuer.ts'
export { algNone, headerOf, type JsonMembers, payloadOf, tamper, type Tampering } from './testing/tokens.ts'
