// Who is measured: each server, the framework it stands on, and how it is set up.

/** One server of the bench. */
export interface Subject {
  /** Names it on the command line. */
  readonly id: string
  readonly label: string
  readonly file: string
  /** The `id` of its framework with nothing on it; its own for the frameworks themselves. */
  readonly base: 'koa' | 'fastify' | 'express'
  readonly options?: object
  /** Whether it needs a Redis server. */
  readonly needsRedis?: boolean
}

const koa = { base: 'koa' } as const
const fastify = { base: 'fastify', file: 'peers/fastify.mjs' } as const
const express = { base: 'express', file: 'peers/express.mjs' } as const
const kit = { ...koa, file: 'servers/kit.mjs' } as const
const bare = { ...koa, file: 'servers/koa.mjs' } as const
const jwt = { ...koa, file: 'peers/koa-jwt.mjs' } as const
const session = { ...koa, file: 'peers/koa-session.mjs' } as const
const betterAuth = { ...express, file: 'peers/better-auth.mjs' } as const
const memory = { kind: 'memory' } as const
const redis = { kind: 'redis' } as const

/** The frameworks with nothing on them. */
export const BASES: readonly Subject[] = [
  { id: 'koa', label: 'Koa, nothing else', ...bare },
  { id: 'fastify', label: 'Fastify, nothing else', ...fastify, options: { isBare: true } },
  { id: 'express', label: 'Express, nothing else', ...express },
]

/** The kit, on each store. */
export const KITS: readonly Subject[] = [
  { id: 'kit-memory', label: 'koa-holdfast, memory', ...kit },
  { id: 'kit-lmdb', label: 'koa-holdfast, LMDB', ...kit, options: { kind: 'lmdb' } },
  { id: 'kit-redis', label: 'koa-holdfast, Redis', ...kit, options: redis, needsRedis: true },
]

/** Koa with bare jose. */
export const JOSE: Subject = { id: 'jose', label: 'Koa + bare jose.jwtVerify', ...koa, file: 'servers/jose.mjs' }

/** Everybody else: as documented, and in the fast way that the documentation offers. */
export const PEERS: readonly Subject[] = [
  { id: 'headers', label: 'reads both headers, does nothing', ...bare, options: { floor: 'reads' } },
  { id: 'least', label: 'two SHA-256, a look-up, a comparison', ...bare, options: { floor: 'least' } },
  { id: 'least-lmdb', label: 'the same, and one read of LMDB', ...bare, options: { floor: 'leastLmdb' } },
  JOSE,
  { id: 'koa-jwt', label: 'koa-jwt, ES256, PEM', ...jwt },
  { id: 'koa-jwt-fast', label: 'koa-jwt, ES256, KeyObject', ...jwt, options: { fast: true } },
  { id: 'koa-session-cookie', label: 'koa-session, signed cookie', ...session, options: { kind: 'cookie' } },
  { id: 'koa-session-memory', label: 'koa-session, memory', ...session, options: memory },
  { id: 'koa-session-redis', label: 'koa-session, Redis (ioredis)', ...session, options: redis, needsRedis: true },
  { id: 'fastify-jwt', label: '@fastify/jwt, ES256', ...fastify },
  { id: 'fastify-jwt-cache', label: '@fastify/jwt, ES256, cache', ...fastify, options: { cache: true } },
  { id: 'express-session', label: 'express-session, memory', ...express, options: memory },
  { id: 'express-session-redis', label: 'express-session, Redis', ...express, options: redis, needsRedis: true },
  {
    ...{ id: 'express-session-untouched', label: 'express-session, Redis, disableTouch', ...express, needsRedis: true },
    options: { ...redis, disableTouch: true },
  },
  { id: 'iron-session', label: 'iron-session', ...express, file: 'peers/iron-session.mjs' },
  { id: 'better-auth', label: 'better-auth getSession', ...betterAuth },
  { id: 'better-auth-cache', label: 'better-auth getSession, cookie cache', ...betterAuth, options: { fast: true } },
]
