// The chart: bars that say what each adds to a request, drawn as SVG. Its colours are readable on light and dark.

import type { Bar } from './section.ts'

const [WIDTH, LABELS, FIGURES, ROW, TOP] = [860, 300, 70, 26, 50]
// Bars stop here; whoever is further is marked as such, or the short ones could not be told apart.
const LONGEST = 150

const STYLE = `
  text { font: 14px system-ui, sans-serif; fill: #24292f }
  .page { fill: #fff } .title { font-weight: 600 }
  .ours { fill: #0969da } .peer { fill: #8c959f } .ours-text { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #e6edf3 } .ours { fill: #58a6ff } .peer { fill: #6e7681 }
  }`

/** Draws the bars, the shortest first. */
export function drawChart(bars: readonly Bar[]): string {
  const sorted = bars.toSorted((a, b) => a.value - b.value)
  const room = WIDTH - LABELS - FIGURES
  const longest = Math.min(LONGEST, Math.max(...sorted.map(({ value }) => value)))
  const rows = sorted.map(({ label, value, isOurs }, i) => {
    const y = TOP + i * ROW
    const width = Math.max((Math.min(value, longest) / longest) * room, 1)
    const bold = isOurs ? ' class="ours-text"' : ''
    const cut = value > longest ? `<path d="M${LABELS + width - 14} ${y + 20}l6-18h5l-6 18z" class="page"/>` : ''
    return (
      `<text x="${LABELS - 10}" y="${y + 15}" text-anchor="end"${bold}>${escape(label)}</text>` +
      `<rect x="${LABELS}" y="${y + 2}" width="${width.toFixed(1)}" height="18" rx="2" class="${isOurs ? 'ours' : 'peer'}"/>${cut}` +
      `<text x="${(LABELS + width + 8).toFixed(1)}" y="${y + 15}"${bold}>${value.toFixed(1)}</text>`
    )
  })
  const height = TOP + sorted.length * ROW + 12
  const title = 'CPU time added to a request, µs: valid sessions that come again and again. Less is better.'
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${title}</title>
<style>${STYLE}
</style>
<rect width="100%" height="100%" class="page"/>
<text x="10" y="26" class="title">${title}</text>
${rows.join('\n')}
</svg>
`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
