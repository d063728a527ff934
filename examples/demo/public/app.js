// The demo page. The token is in a variable of this module and nowhere else: no storage, no URL, no global.
// Reloading the page forgets it. The cookie never comes into this file at all; that is the point.

const COOKIE = '__Secure-Fgp'

/** The access token of whoever is logged in. */
let token
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
function refresh(message) {
  find('who').textContent = message
  for (const id of ['call', 'alone', 'copy', 'logout']) find(id).disabled = token === undefined
  find('old').disabled = oldToken === undefined
}

async function logIn(username, password) {
  // With the token of whoever is logged in, the server ends that session first.
  const answer = await send('/auth/login', { method: 'POST', bearer: token, json: { username, password } })
  find('who').dataset.state = answer.ok ? 'in' : 'out'
  if (!answer.ok) {
    find('who').textContent =
      answer.status === 401
        ? '401: the user name or the password is wrong; which one, it does not say.'
        : answer.summary
    return
  }
  token = JSON.parse(answer.body).access_token
  oldToken = undefined
  const claims = decodeClaims(token)
  showLines(find('claims'), JSON.stringify(claims, null, 2), (line) => line.startsWith('  "fgp"'))
  showProof()
  showLines(find('digest'), `SHA-256: ${JSON.stringify(claims.fgp)}`, () => true)
  for (const id of ['call-answer', 'alone-answer', 'old-answer']) clearAnswer(id)
  const until = new Date(claims.exp * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  refresh(`Logged in as ${claims.sub}. The token is good until ${until}.`)
}

async function logOut() {
  const answer = await send('/auth/logout', { method: 'POST', bearer: token })
  showAnswer('old-answer', answer)
  if (!answer.ok) return
  oldToken = token
  token = undefined
  for (const id of ['claims', 'proof', 'digest']) find(id).textContent = 'Gone. Log in to see it again.'
  find('copied').textContent = ''
  find('who').dataset.state = 'none'
  refresh('Logged out.')
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
find('call').addEventListener('click', async () => showAnswer('call-answer', await send('/api/me', { bearer: token })))
find('alone').addEventListener('click', async () =>
  showAnswer('alone-answer', await send('/api/me', { bearer: token, credentials: 'omit' })),
)
find('copy').addEventListener('click', copyAsCurl)
find('logout').addEventListener('click', logOut)
find('old').addEventListener('click', async () => showAnswer('old-answer', await send('/api/me', { bearer: oldToken })))
