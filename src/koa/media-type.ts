// What a body may be sent as.

/** JSON in UTF-8. */
export const JSON_TYPE: RegExp = /^application\/json *(?:; *charset="?utf-8"? *)?$/i

/** Whether the content type is JSON in UTF-8; without a charset it is (RFC 8259 section 8.1). */
export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && JSON_TYPE.test(contentType)
}
