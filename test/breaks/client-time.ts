import type { Area } from './break.ts'
export const clientTime: Area = { test: 'none', breaks: [] }
