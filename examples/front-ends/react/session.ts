// The session of this page, and the hook that components know it by.

import { createClient, type Session } from 'koa-holdfast/client'
import { useSyncExternalStore } from 'react'

export const client = createClient()

export function useSession(): Session {
  return useSyncExternalStore(client.onChange, () => client.session)
}
