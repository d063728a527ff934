import type { Area } from './break.ts'
export const demoAccess: Area = { test: 'none', breaks: [] }
