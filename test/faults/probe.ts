// Finds out how much each server has heard of: ends a session that nobody else has at another server, and asks this one
// until it knows. Then it knows of everything that Redis was told before.

import { setTimeout as wait } from 'node:timers/promises'

import { bearer, type Client, tokensOf } from './client.ts'
import type { Fleet, Server } from './fleet.ts'

export interface Probe {
  /** What was acknowledged until then, the server has heard of. */
  heard(server: Server): number
  /** Goes on until it is told to stop. */
  run(signal: AbortSignal): Promise<void>
}

const PAUSE_MS = 100
const TRIES = 5

/** Makes the probe of a fleet. */
export function createProbe(fleet: Fleet, client: Client): Probe {
  const heard = new Map<Server, number>()

  async function probe(server: Server): Promise<void> {
    const login = await client.request('probe', 'POST /auth/login', { body: { sub: 'probe' } })
    if (login?.status !== 200) return
    const began = performance.now()
    const by = { server: client.choose(server) }
    const ended = await client.request('probe', `POST /revoke/sid/${String(login.json['sid'])}`, by)
    if (ended?.status !== 204) return
    const headers = bearer(tokensOf(login))
    for (let tries = 0; tries < TRIES; tries += 1) {
      const answer = await client.request('probe', 'GET /me', { headers, server })
      if (answer?.status === 401) {
        heard.set(server, began)
        return
      }
      await wait(PAUSE_MS)
    }
  }

  return {
    heard: (server) => Math.max(server.started, heard.get(server) ?? 0),
    async run(signal) {
      const work = fleet.servers.map(async (server) => {
        for (; !signal.aborted; await wait(PAUSE_MS)) await probe(server)
      })
      await Promise.all(work)
    },
  }
}
