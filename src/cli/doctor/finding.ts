// What a check of the doctor is, and what it finds.

import { Failure } from '../command.ts'

/** How grave it is. Warnings and errors make the exit code 1. */
export type Severity = 'fine' | 'note' | 'warning' | 'error' | 'skipped'

/** What one check saw. */
export interface Outcome {
  readonly severity: Severity
  readonly seen: string
  /** What to do about it. */
  readonly fix?: string
}

/** One row of the table of checks. */
export interface Check<Subject> {
  /** Named after the check. */
  readonly run: (subject: Subject) => Outcome | Promise<Outcome>
  /** Why it matters. */
  readonly why: string
  /** What says so. */
  readonly see: string
}

/** What one check found, with what its row says. */
export interface Finding extends Outcome {
  readonly check: string
  readonly why: string
  readonly see: string
}

/** Everything is as it should be. */
export function fine(seen: string): Outcome {
  return { severity: 'fine', seen }
}

/** It could not be looked at. */
export function skipped(seen: string): Outcome {
  return { severity: 'skipped', seen }
}

/** Something is not as it should be. */
export function found(severity: 'note' | 'warning' | 'error', seen: string, fix: string): Outcome {
  return { severity, seen, fix }
}

/** Runs the checks one after the other: later ones may end what earlier ones began. */
export async function runChecks<Subject>(checks: readonly Check<Subject>[], subject: Subject): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { run, why, see } of checks) {
    findings.push({ check: nameOf({ run }), why, see, ...(await runOne(run, subject)) })
  }
  return findings
}

/** The name of a check, as it is told: `cookieSize` is `cookie-size`. */
export function nameOf({ run }: Pick<Check<never>, 'run'>): string {
  return run.name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

async function runOne<Subject>(run: Check<Subject>['run'], subject: Subject): Promise<Outcome> {
  try {
    return await run(subject)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return found('error', error.message, 'see that it answers every time')
  }
}
