import type { Area } from './break.ts'
export const clientTabs: Area = { test: 'none', breaks: [] }
