// What a service's verifiers say of a request that they refused.

import { cleanText, type EventSink, type RequestInfo } from '../events.ts'
import { reportRefusal } from '../report.ts'

/** Makes what raises the event of a refusal. */
export function createReport(events: EventSink): (thrown: unknown, request: RequestInfo) => void {
  return (thrown, request) => reportRefusal(events, thrown, cleanRequest(request))
}

/** Other frameworks say it as the client sent it, the query among it, which may hold secrets. */
function cleanRequest({ method, path, ip, userAgent }: RequestInfo): RequestInfo {
  return {
    method: cleanText(method),
    path: cleanText(path.replace(/[?#][^]*/, '')),
    ip: cleanText(ip),
    ...(userAgent !== undefined && { userAgent: cleanText(userAgent) }),
  }
}
