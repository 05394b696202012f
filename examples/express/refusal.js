// How the API says no. A caller learns what to do, never which check failed: a
// forger would ask until none does.
import jwksRsa from 'jwks-rsa'

export class Refused extends Error {
  constructor(status, challenge) {
    super(`refused: ${status}`)
    Object.assign(this, { status, challenge })
  }
}

export const noToken = () => new Refused(401, 'Bearer realm="api"')
export const invalidToken = () => new Refused(401, 'Bearer realm="api", error="invalid_token"')
export const forbidden = () => new Refused(403, 'Bearer realm="api", error="insufficient_scope"')
export const unavailable = () => new Refused(503)

// keysUnavailable tells "I can't know" from "no": a caller whose token may be
// good must not be told to throw it away.
export const keysUnavailable = (error) =>
  error?.isEndpointUnavailable || error instanceof jwksRsa.JwksError || error instanceof jwksRsa.JwksRateLimitError

const noTokenCodes = ['credentials_required', 'credentials_bad_scheme']

function refusalFor(error) {
  if (error instanceof Refused) return error
  if (keysUnavailable(error)) return unavailable()
  if (error.name === 'UnauthorizedError') return noTokenCodes.includes(error.code) ? noToken() : invalidToken()
}

// refuse is Express's error handler, which it knows by its four parameters.
export function refuse(error, req, res, next) {
  const refusal = refusalFor(error)
  if (!refusal) return next(error)
  if (refusal.challenge) res.set('WWW-Authenticate', refusal.challenge)
  if (refusal.status === 503) res.set('Retry-After', '10')
  res.sendStatus(refusal.status)
}
