// What a token says, unverified.

export { headerOf, payloadOf } from '../../src/testing/tokens.ts'
