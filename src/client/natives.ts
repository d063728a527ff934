// What the client works with, taken at load: what other scripts put in its place later sees neither token nor password.
// Only mitigated: whoever runs first, or changes what the language itself uses, still sees them.

/** A method as a function of its object, out of reach of later changes to the prototype. */
function detach<This, Parameters extends unknown[], Result>(
  method: (this: This, ...parameters: Parameters) => Result,
): (self: This, ...parameters: Parameters) => Result {
  return Function.prototype.call.bind(method) as (self: This, ...parameters: Parameters) => Result // what `call` does
}

export const nativeFetch: typeof fetch = globalThis.fetch.bind(globalThis)
export const Request: typeof globalThis.Request = globalThis.Request
export const parse: typeof JSON.parse = JSON.parse
export const stringify: typeof JSON.stringify = JSON.stringify
export const getHeader: (headers: Headers, name: string) => string | null = detach(Headers.prototype.get)
export const setHeader: (headers: Headers, name: string, value: string) => void = detach(Headers.prototype.set)
export const readText: (response: Response) => Promise<string> = detach(Response.prototype.text)
export const encode: (text: string) => Uint8Array<ArrayBuffer> = TextEncoder.prototype.encode.bind(new TextEncoder())
export const decode: (bytes: ArrayBuffer | Uint8Array) => string = TextDecoder.prototype.decode.bind(new TextDecoder())
export const fromBase64: typeof atob = globalThis.atob.bind(globalThis)
export const wallClock: () => number = Date.now
export const steadyClock: () => number = performance.now.bind(performance)
/** Undefined outside of secure contexts. */
export const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle
