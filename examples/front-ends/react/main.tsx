import type { SignedIn } from 'koa-holdfast/client'
import { type FormEvent, type JSX, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'

import { explain } from '../explain.ts'
import { client, useSession } from './session.ts'

function App(): JSX.Element {
  const session = useSession()
  if (session.status === 'unknown') return <p>One moment …</p>
  return session.status === 'signed-in' ? <Account session={session} /> : <SignIn />
}

function SignIn(): JSX.Element {
  const [problem, setProblem] = useState('')

  async function signIn(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault()
    setProblem('')
    try {
      await client.login(Object.fromEntries(new FormData(event.currentTarget)))
    } catch (error) {
      setProblem(explain(error))
    }
  }

  return (
    <form onSubmit={signIn}>
      <label>
        User name <input name="username" autoComplete="username" required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button>Sign in</button>
      <p role="alert">{problem}</p>
    </form>
  )
}

function Account({ session }: { readonly session: SignedIn }): JSX.Element {
  const [answer, setAnswer] = useState('')

  async function ask(): Promise<void> {
    const response = await client.fetch('/api/me')
    const { sub } = (await response.json()) as { sub?: string }
    setAnswer(response.ok ? `You are ${sub}.` : `Answer ${response.status}.`)
  }

  return (
    <>
      <p>
        Signed in as <b>{session.subject}</b>. This token ends in <TimeLeft session={session} /> s.
      </p>
      <button onClick={ask}>Who am I?</button> <button onClick={signOut}>Sign out</button>
      <p role="status">{answer}</p>
    </>
  )
}

async function signOut(): Promise<void> {
  await client.logout().catch(console.error)
}

function TimeLeft({ session }: { readonly session: SignedIn }): JSX.Element {
  const [, tick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1000)
    return () => clearInterval(timer)
  }, [])
  return <span>{Math.round(session.expiresIn)}</span>
}

createRoot(document.querySelector('#app')!).render(
  <>
    <h1>React</h1>
    <App />
  </>,
)
