import type { Area } from './break.ts'
export const clientLogout: Area = { test: 'none', breaks: [] }
