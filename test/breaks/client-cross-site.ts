import type { Area } from './break.ts'
export const clientCrossSite: Area = { test: 'none', breaks: [] }
