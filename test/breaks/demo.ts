import type { Area } from './break.ts'
export const demo: Area = { test: 'none', breaks: [] }
