// The session of this page, and the composable that components know it by.

import { createClient, type Session } from 'koa-holdfast/client'
import { onScopeDispose, type ShallowRef, shallowRef } from 'vue'

export const client = createClient()

export function useSession(): Readonly<ShallowRef<Session>> {
  const session = shallowRef(client.session)
  onScopeDispose(
    client.onChange((now) => {
      session.value = now
    }),
  )
  return session
}
