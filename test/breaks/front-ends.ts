import type { Area } from './break.ts'
export const frontEnds: Area = { test: 'none', breaks: [] }
