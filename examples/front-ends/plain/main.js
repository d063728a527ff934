import { createClient } from '../koa-holdfast-client.js'

const client = createClient()
const find = (id) => document.getElementById(id)

function show(session) {
  for (const status of ['unknown', 'signed-out', 'signed-in']) find(status).hidden = status !== session.status
  find('name').textContent = session.subject
  find('answer').textContent = ''
  showTimeLeft()
}

function showTimeLeft() {
  find('left').textContent = Math.round(client.session.expiresIn)
}

client.onChange(show)
show(client.session)
setInterval(showTimeLeft, 1000)

find('signed-out').addEventListener('submit', async (event) => {
  event.preventDefault()
  const form = event.target
  find('problem').textContent = ''
  try {
    await client.login(Object.fromEntries(new FormData(form)))
    form.reset()
  } catch (error) {
    find('problem').textContent =
      error.code === 'ERR_LOGIN_FAILED' ? 'The user name or the password is wrong.' : 'Please try again later.'
  }
})

find('ask').addEventListener('click', async () => {
  const response = await client.fetch('/api/me')
  find('answer').textContent = response.ok ? `You are ${(await response.json()).sub}.` : `Answer ${response.status}.`
})

find('leave').addEventListener('click', () => client.logout().catch(console.error))
