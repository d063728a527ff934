// The few things that every part of the page does to the document. Text goes in as text, never as markup.

/** The element with this id. */
export const find = (id) => document.getElementById(id)

/** Makes an element with text or other elements in it. */
export function make(tag, { className = '', ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  if (className) element.className = className
  element.append(...children.filter((child) => child !== undefined))
  return element
}

/** JSON, indented; anything else as it is. */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** Shows text line by line, so that each can be marked and wraps with an indent. */
export function showLines(element, lines, isMarked = () => false) {
  element.replaceChildren(...lines.map((line) => make(isMarked(line) ? 'mark' : 'span', {}, `${line}\n`)))
}
