import type { Area } from './break.ts'
export const cookieJar: Area = { test: 'none', breaks: [] }
