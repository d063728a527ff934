import type { Area } from './break.ts'
export const demoAttacks: Area = { test: 'none', breaks: [] }
