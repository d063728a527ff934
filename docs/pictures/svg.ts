// As much of SVG as a diagram needs: elements with attributes, and text that is escaped.

type Attributes = Readonly<Record<string, string | number>>

const ESCAPED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

const escape = (value: string): string => value.replaceAll(/[&<>"]/g, (one) => ESCAPED[one] ?? one)

/** An element. Its children are elements, or plain text that needs no escaping. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(String(round(value)))}"`)
  const start = `<${name}${written.join('')}`
  return children.length === 0 ? `${start}/>` : `${start}>${children.join('\n')}</${name}>`
}

/** A line of text. */
export function text(content: string, attributes: Attributes): string {
  return element('text', attributes, escape(content))
}

/** Without the noise of floating point. */
function round(value: string | number): string | number {
  return typeof value === 'number' ? Math.round(value * 100) / 100 : value
}
