import { cookies, headers } from 'next/headers'
import { createNext } from 'writ/next'

export const auth = createNext({
  issuer: process.env.WRIT_ISSUER ?? 'http://localhost:8080',
  maxStale: Number(process.env.MAX_STALE ?? 30),
  cookies,
  headers,
})
