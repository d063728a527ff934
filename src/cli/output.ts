// What a command prints: aligned, without colours where nobody sees them, and without characters that move a cursor.
// And where private keys go: into files for their owner only.

import { randomBytes } from 'node:crypto'
import { open, rename, unlink } from 'node:fs/promises'
import { styleText } from 'node:util'

import { Failure } from './command.ts'

/** Where a command prints. */
export interface Terminal {
  /** Whether standard output is one, where what is printed stays on the screen. */
  readonly isTerminal: boolean
  paint(colour: Colour, text: string): string
}

/** The colours there are. */
export type Colour = 'green' | 'yellow' | 'red' | 'dim'

/** Makes the terminal of one call. */
export function createTerminal(stdout: NodeJS.WriteStream): Terminal {
  const isTerminal = stdout.isTTY
  const isColoured = isTerminal && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
  return {
    isTerminal,
    paint: (colour, text) => (isColoured ? styleText(colour, text, { validateStream: false }) : text),
  }
}

/** Rows as lines, their columns aligned. What ends its row may be long. */
export function align(rows: readonly (readonly string[])[]): string[] {
  const trimmed = rows.map((row) => row.slice(0, row.findLastIndex((cell) => cell !== '') + 1))
  const widthOf = (column: number): number =>
    Math.max(0, ...trimmed.map((row) => (column < row.length - 1 ? (row[column] ?? '').length : 0)))
  return trimmed.map((row) =>
    row.map((cell, column) => (column < row.length - 1 ? cell.padEnd(widthOf(column)) : cell)).join('  '),
  )
}

/** Foreign text on one line, with every character that is none to look at written as its number. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escape)
}

/** JSON in which no character moves a cursor either; line breaks are those of the layout. */
export function formatJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(/[^\n\P{Cc}]|[\p{Cf}\p{Zl}\p{Zp}]/gu, escape)
}

function escape(character: string): string {
  return Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('')
}

/** An error's message without the passwords of URLs and the tokens that somebody else may have put into it. */
export function withoutSecrets(message: string): string {
  return printable(message)
    .replace(/(:\/\/)[^\s/@]*@/g, '$1…@')
    .replace(/eyJ[\w-]+(?:\.[\w-]*)*/g, '…')
}

/** An instant as people and programs read it. */
export function formatTime(milliseconds: number): string {
  const time = new Date(milliseconds)
  return Number.isNaN(time.getTime()) ? String(milliseconds) : `${time.toISOString().slice(0, 19)}Z`
}

/**
 * Writes a key into a file, a private one for its owner only.
 *
 * @param options.isReplaced - whether a file that is there may be replaced
 * @throws Failure when it is there, or cannot be written
 */
export async function writeKeyFile(
  path: string,
  text: string,
  { isSecret, isReplaced }: { readonly isSecret: boolean; readonly isReplaced: boolean },
): Promise<void> {
  // Beside it and renamed, since a file that is written over keeps the rights that it had.
  const target = isReplaced ? `${path}.${randomBytes(6).toString('hex')}.tmp` : path
  try {
    const file = await open(target, 'wx', isSecret ? 0o600 : 0o644)
    try {
      await file.writeFile(text)
      await file.sync()
      if (isReplaced) await rename(target, path)
    } catch (error) {
      await unlink(target)
      throw error
    } finally {
      await file.close()
    }
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException // what node:fs throws is a system error
    const reason = code === 'EEXIST' ? 'it is there; --force replaces it' : code
    throw new Failure('misused', `cannot write '${path}': ${reason}`, error)
  }
}
