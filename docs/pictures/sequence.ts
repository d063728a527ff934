// The sequence diagram: login, a request with both halves, a theft, a logout. What happens is a table; the rest draws it.

import { element, text } from './svg.ts'

/** The two colour schemes of a reader. */
export type Scheme = 'light' | 'dark'

const COLOURS = {
  light: {
    card: '#ffffff',
    edge: '#e0dcd4',
    ink: '#1b1a18',
    soft: '#5b5750',
    lane: '#c9c4ba',
    token: '#1f4fb3',
    tokenTint: '#e7eefc',
    cookie: '#874906',
    cookieTint: '#fcefdc',
    good: '#12623a',
    bad: '#b02418',
    badTint: '#fdecea',
  },
  dark: {
    card: '#1c1b19',
    edge: '#35322d',
    ink: '#eceae4',
    soft: '#aca89f',
    lane: '#4a463f',
    token: '#a3c0ff',
    tokenTint: '#1c2a48',
    cookie: '#f2b76f',
    cookieTint: '#3a2a13',
    good: '#84d9a6',
    bad: '#ff9f92',
    badTint: '#38201c',
  },
} as const

const LANES = {
  browser: { x: 150, name: 'Browser', note: 'page and cookie jar' },
  app: { x: 500, name: 'Koa with koa-holdfast', note: 'keys and revocation list' },
  thief: { x: 850, name: 'Thief', note: 'has read a log' },
} as const

type Lane = keyof typeof LANES
type Half = 'token' | 'cookie' | 'no cookie'
type Tone = 'good' | 'bad' | 'ink'

interface Message {
  readonly from: Lane
  readonly to: Lane
  readonly says: string
  /** What it carries. */
  readonly halves?: readonly Half[]
  readonly tone?: Tone
}

/** Something that happens at one place. */
interface Remark {
  readonly at: Lane
  readonly says: string
  readonly tone: Tone
}

const STEPS: readonly (Message | Remark)[] = [
  { from: 'browser', to: 'app', says: 'POST /auth/login' },
  { from: 'app', to: 'browser', says: '200', halves: ['token', 'cookie'], tone: 'good' },
  { at: 'app', says: 'the token holds the SHA-256 of the cookie', tone: 'ink' },
  { from: 'browser', to: 'app', says: 'GET /api/me', halves: ['token', 'cookie'] },
  { from: 'app', to: 'browser', says: '200', tone: 'good' },
  { from: 'app', to: 'thief', says: 'a log leaks', halves: ['token'], tone: 'bad' },
  { from: 'thief', to: 'app', says: 'GET /api/me', halves: ['token', 'no cookie'] },
  { from: 'app', to: 'thief', says: '401', tone: 'bad' },
  { at: 'app', says: 'event: sidejack, it has been stolen', tone: 'bad' },
  { from: 'browser', to: 'app', says: 'POST /auth/logout' },
  { from: 'app', to: 'browser', says: '204, and the cookies are gone', tone: 'good' },
  { from: 'thief', to: 'app', says: 'GET /api/me', halves: ['token', 'cookie'] },
  { from: 'app', to: 'thief', says: '401, even with both', tone: 'bad' },
]

const WIDTH = 1000
const TOP = 128
const STEP = 48
const HEIGHT = TOP + STEPS.length * STEP + 8
const FONT = "-apple-system, 'Segoe UI', Inter, Roboto, 'Helvetica Neue', Arial, sans-serif"

/** Draws the diagram. The same code makes the same bytes. */
export function drawSequence(scheme: Scheme): string {
  const colours = COLOURS[scheme]
  const body = [
    element('title', {}, 'How koa-holdfast stops a stolen token'),
    element('desc', {}, STEPS.map(describe).join('. ')),
    element('rect', {
      ...{ x: 0.5, y: 0.5, width: WIDTH - 1, height: HEIGHT - 1, rx: 14 },
      ...{ fill: colours.card, stroke: colours.edge },
    }),
    ...Object.values(LANES).map((lane) => drawLane(lane, colours)),
    ...STEPS.map((step, index) => drawStep(step, TOP + index * STEP, colours)),
  ]
  const attributes = {
    ...{ xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT },
    ...{ role: 'img', 'font-family': FONT, 'font-size': 15 },
  }
  return `${element('svg', attributes, ...body)}\n`
}

type Colours = (typeof COLOURS)[Scheme]

/** For those who do not see it. */
function describe(step: Message | Remark): string {
  if ('at' in step) return `${LANES[step.at].name}: ${step.says}`
  const { from, to, says, halves = [] } = step
  return `${LANES[from].name} to ${LANES[to].name}: ${[says, ...halves].join(', ')}`
}

function drawLane({ x, name, note }: (typeof LANES)[Lane], colours: Colours): string {
  const line = { x1: x, y1: 84, x2: x, y2: HEIGHT - 24, stroke: colours.lane, 'stroke-dasharray': '2 5' }
  return element(
    'g',
    { 'text-anchor': 'middle' },
    text(name, { x, y: 46, 'font-size': 18, 'font-weight': 700, fill: colours.ink }),
    text(note, { x, y: 68, 'font-size': 13, fill: colours.soft }),
    element('line', line),
  )
}

function drawStep(step: Message | Remark, y: number, colours: Colours): string {
  return 'at' in step ? drawRemark(step, y, colours) : drawMessage(step, y, colours)
}

function drawRemark({ at, says, tone }: Remark, y: number, colours: Colours): string {
  const { x } = LANES[at]
  const fill = tone === 'bad' ? colours.badTint : colours.card
  const box = { x: x - 160, y: y - 22, width: 320, height: 30, rx: 8, fill, stroke: colours[tone] }
  return element(
    'g',
    { 'text-anchor': 'middle' },
    element('rect', box),
    text(says, { x, y: y - 2, fill: colours[tone], 'font-size': 14, 'font-weight': 600 }),
  )
}

function drawMessage({ from, to, says, halves = [], tone = 'ink' }: Message, y: number, colours: Colours): string {
  const [start, end] = [LANES[from].x, LANES[to].x]
  const way = Math.sign(end - start)
  const left = Math.min(start, end) + 20
  const tip = end - way * 6
  const colour = colours[tone]
  const line = { x1: start + way * 6, y1: y, x2: tip - way * 6, y2: y, stroke: colour, 'stroke-width': 1.75 }
  const head = `M${tip} ${y}l${-way * 11} -5.5v11z`
  // Chips stand at the right end of the line, in their order.
  const widths = halves.map((half) => half.length * 7.6 + 18)
  const chips = halves.map((half, index) => {
    const before = widths.slice(index).reduce((sum, width) => sum + width + 6, 0)
    return drawChip(half, { x: left + 310 - before + 6, y: y - 29, width: widths[index] ?? 0 }, colours)
  })
  return element(
    'g',
    {},
    text(says, { x: left, y: y - 13, fill: colour, ...(tone === 'ink' ? {} : { 'font-weight': 700 }) }),
    ...chips,
    element('line', { ...line, ...(tone === 'ink' ? {} : { 'stroke-dasharray': '7 4' }) }),
    element('path', { d: head, fill: colour }),
  )
}

function drawChip(half: Half, { x, y, width }: { x: number; y: number; width: number }, colours: Colours): string {
  const looks = {
    token: { fill: colours.tokenTint, stroke: 'none', ink: colours.token },
    cookie: { fill: colours.cookieTint, stroke: 'none', ink: colours.cookie },
    'no cookie': { fill: 'none', stroke: colours.soft, ink: colours.soft },
  }
  const { ink, ...look } = looks[half]
  const dash = half === 'no cookie' ? { 'stroke-dasharray': '3 3' } : {}
  return element(
    'g',
    { 'text-anchor': 'middle' },
    element('rect', { x, y, width, height: 22, rx: 11, ...look, ...dash }),
    text(half, { x: x + width / 2, y: y + 15.5, 'font-size': 13, 'font-weight': 600, fill: ink }),
  )
}
