// jsonwebtoken alone: an API whose tokens are signed with a secret that it
// shares with Writ (HS256). Whoever holds the secret can make such tokens, so
// it is one API's own, with an audience of its own.
import jwt from 'jsonwebtoken'
import { invalidToken, noToken } from './refusal.js'
import { isAccessToken } from './token.js'

// sharedSecret leaves the claims of the request's token in req.auth.
export function sharedSecret({ issuer, stockAudience, stockSecrets }) {
  const expected = { algorithms: ['HS256'], issuer, audience: stockAudience, complete: true }
  return (req, res, next) => {
    const [scheme, raw] = (req.headers.authorization ?? '').split(' ')
    if (scheme.toLowerCase() !== 'bearer' || !raw) return next(noToken())
    for (const secret of stockSecrets) {
      const token = verify(raw, secret, expected)
      if (token && isAccessToken(token)) {
        req.auth = token.payload
        return next()
      }
    }
    next(invalidToken())
  }
}

function verify(raw, secret, expected) {
  try {
    return jwt.verify(raw, secret, expected)
  } catch {
    return null // for whatever reason: the caller learns none
  }
}
