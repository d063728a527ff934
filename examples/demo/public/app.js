// The demo page. The token is in a variable of this module and nowhere else: no storage, no URL, no global.
// Reloading the page forgets it, and a refresh brings a new one. The cookies never come into this file at all; that is
// the point.

const COOKIE = '__Secure-Fgp'
/** How long before its end a token is replaced. */
const EARLY_MS = 60_000

/** The access token of whoever is logged in. */
let token
/** When it is to be replaced. */
let refreshAt
/** The token of the session that was last logged out. */
let oldToken

const find = (id) => document.getElementById(id)

/** Sends a request and describes the answer, also when there is none. */
async function send(path, { method = 'GET', bearer, json, credentials = 'same-origin' } = {}) {
  const headers = {
    ...(bearer && { Authorization: `Bearer ${bearer}` }),
    ...(json && { 'Content-Type': 'application/json' }),
  }
  try {
    const response = await fetch(path, { method, headers, credentials, ...(json && { body: JSON.stringify(json) }) })
    const { ok, status, statusText } = response
    return { ok, status, summary: `${status} ${statusText}`, body: await response.text() }
  } catch {
    return { ok: false, status: 0, summary: 'No answer: is the demo still running?', body: '' }
  }
}

/** JSON, indented; anything else as it is. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** Shows text line by line, so that each can be marked and wraps with an indent. */
function showLines(element, text, isMarked = () => false) {
  const lines = text.split('\n').map((line) => {
    const shown = document.createElement(isMarked(line) ? 'mark' : 'span')
    shown.textContent = `${line}\n`
    return shown
  })
  element.replaceChildren(...lines)
}

/** Shows an answer in the box of this id. */
function showAnswer(id, { ok, summary, body }) {
  const box = find(id)
  box.dataset.state = ok ? 'in' : 'out'
  box.querySelector('[role=status]').textContent = summary
  const details = box.querySelector('pre')
  showLines(details, pretty(body))
  details.hidden = body === ''
}

function clearAnswer(id) {
  const box = find(id)
  box.dataset.state = 'none'
  box.querySelector('[role=status]').textContent = 'Not tried yet'
  box.querySelector('pre').hidden = true
}

/** The claims: the middle part, base64url of UTF-8 JSON. Good for looking; only the server can verify. */
function decodeClaims(jwt) {
  const base64 = jwt.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  return JSON.parse(new TextDecoder().decode(bytes))
}

/** Asks the browser for the cookies. Those of other ports of localhost may be there; ours must not. */
function showProof() {
  const isVisible = document.cookie.includes(COOKIE)
  const verdict = isVisible ? `${COOKIE} is readable: something is wrong!` : `no ${COOKIE} for scripts`
  showLines(find('proof'), `document.cookie === ${JSON.stringify(document.cookie)}\n// ${verdict}`)
}

/** Brings everything that depends on being logged in up to date. */
function update(message) {
  find('who').textContent = message
  for (const id of ['call', 'alone', 'copy', 'logout', 'refresh']) find(id).disabled = token === undefined
  find('old').disabled = oldToken === undefined
  showCountdown()
  void showSessions()
}

/** Takes a new token into use. */
function adopt(answer) {
  const { access_token: fresh, expires_in: seconds } = JSON.parse(answer.body)
  token = fresh
  refreshAt = Date.now() + Math.max(seconds * 1000 - EARLY_MS, 1000)
  const claims = decodeClaims(token)
  showLines(find('claims'), JSON.stringify(claims, null, 2), (line) => line.startsWith('  "fgp"'))
  showProof()
  showLines(find('digest'), `SHA-256: ${JSON.stringify(claims.fgp)}`, () => true)
  const until = new Date(claims.exp * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  find('who').dataset.state = 'in'
  update(`Logged in as ${claims.sub}. The token is good until ${until}.`)
}

/** Forgets the session, however it ended. */
function forget(message) {
  oldToken = token
  token = undefined
  refreshAt = undefined
  for (const id of ['claims', 'proof', 'digest']) find(id).textContent = 'Gone. Log in to see it again.'
  find('copied').textContent = ''
  find('who').dataset.state = 'none'
  update(message)
}

/** Trades the pair for the next one; one tab after the other, so that each sends the newest cookie. */
async function refresh() {
  const wasIn = token !== undefined
  refreshAt = undefined
  const answer = await navigator.locks.request('refresh', () => send('/auth/refresh', { method: 'POST', json: {} }))
  if (answer.ok) adopt(answer)
  else if (answer.status === 401) wasIn && forget('The session has ended.')
  else refreshAt = Date.now() + 5000
}

function showCountdown() {
  const seconds = refreshAt && Math.max(Math.round((refreshAt - Date.now()) / 1000), 0)
  const [minutes, rest] = [Math.floor(seconds / 60), String(seconds % 60).padStart(2, '0')]
  find('countdown').textContent = refreshAt ? `Next refresh in ${minutes}:${rest}` : 'No session to refresh.'
  if (seconds === 0) void refresh()
}

/** A name that people know: the browser's, as far as its user agent tells. */
function nameOf(userAgent = 'unknown') {
  const known = [/Edg\//, /Firefox\//, /Chrom(?:e|ium)\//, /Safari\//, /^curl\//]
  const names = ['Edge', 'Firefox', 'Chrome', 'Safari', 'curl']
  return names[known.findIndex((one) => one.test(userAgent))] ?? userAgent.slice(0, 40)
}

async function showSessions() {
  const answer = token ? await send('/auth/sessions', { bearer: token }) : { ok: true, body: '[]' }
  if (!answer.ok) return
  const sessions = JSON.parse(answer.body)
  find('others').disabled = sessions.length < 2
  find('sessions').replaceChildren(...sessions.map(createItem))
}

function createItem({ sid, current, created, last_used: used, user_agent: agent }) {
  const item = document.createElement('li')
  const name = document.createElement('b')
  const times = document.createElement('span')
  const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString()
  name.textContent = `${nameOf(agent)}${current ? ' (this one)' : ''}`
  times.textContent = `since ${time(created)}, last refreshed ${time(used)}`
  item.append(name, times)
  if (!current) {
    const button = document.createElement('button')
    button.type = 'button'
    button.textContent = 'Log out there'
    button.addEventListener('click', () => endSessions(`/auth/sessions/${sid}`, 'That session has ended.'))
    item.append(button)
  }
  return item
}

async function endSessions(path, message) {
  const answer = await send(path, { method: 'DELETE', bearer: token })
  find('sessions-note').textContent = answer.ok ? message : answer.summary
  await showSessions()
}

async function logIn(username, password) {
  const remember = find('remember').checked
  // With the token of whoever is logged in, the server ends that session first.
  const answer = await send('/auth/login', { method: 'POST', bearer: token, json: { username, password, remember } })
  find('who').dataset.state = answer.ok ? 'in' : 'out'
  if (!answer.ok) {
    find('who').textContent =
      answer.status === 401
        ? '401: the user name or the password is wrong; which one, it does not say.'
        : answer.summary
    return
  }
  oldToken = undefined
  for (const id of ['call-answer', 'alone-answer', 'old-answer']) clearAnswer(id)
  adopt(answer)
}

async function logOut() {
  const answer = await send('/auth/logout', { method: 'POST', bearer: token })
  showAnswer('old-answer', answer)
  if (!answer.ok) return
  forget('Logged out.')
  find('old').focus()
}

/** A request for a terminal: another client, without this browser's cookie. */
async function copyAsCurl() {
  const line = `curl -i -H 'Authorization: Bearer ${token}' ${location.origin}/api/me`
  const note = await navigator.clipboard.writeText(line).then(
    () => 'Copied. Paste it into a terminal.',
    () => 'The browser did not allow copying.',
  )
  find('copied').textContent = note
}

find('login').addEventListener('submit', (event) => {
  event.preventDefault()
  void logIn(find('username').value, find('password').value)
})
for (const button of document.querySelectorAll('[data-username]')) {
  button.addEventListener('click', () => {
    find('username').value = button.dataset.username
    find('password').value = button.dataset.password
    find('login').requestSubmit()
  })
}
find('refresh').addEventListener('click', refresh)
find('others').addEventListener('click', () => endSessions('/auth/sessions', 'Every other session has ended.'))
find('call').addEventListener('click', async () => showAnswer('call-answer', await send('/api/me', { bearer: token })))
find('alone').addEventListener('click', async () =>
  showAnswer('alone-answer', await send('/api/me', { bearer: token, credentials: 'omit' })),
)
find('copy').addEventListener('click', copyAsCurl)
find('logout').addEventListener('click', logOut)
find('old').addEventListener('click', async () => showAnswer('old-answer', await send('/api/me', { bearer: oldToken })))

// After a reload the cookies are still there; without a session this is refused, and nothing is lost.
void refresh()
setInterval(() => refreshAt && showCountdown(), 1000)
