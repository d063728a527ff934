// What the token and the password pass through, taken at load: what other scripts put in its place later sees neither.
// That only mitigates: a script that ran before this one, or that changes what the language itself uses, still can.

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
export const wallClock: () => number = Date.now
export const steadyClock: () => number = performance.now.bind(performance)
