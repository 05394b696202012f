// express-jwt and jwks-rsa: tokens that are signed with one of Writ's key pairs.
import { expressjwt } from 'express-jwt'
import jwksRsa from 'jwks-rsa'
import { forbidden } from './refusal.js'
import { isAccessToken } from './token.js'

// jwksOptions leave cache and limit at the library's values: a key is kept for
// 10 minutes, the key set asked for at most 10 times a minute.
export const jwksOptions = ({ issuer }) => ({
  jwksUri: `${issuer}/.well-known/jwks.json`,
  cache: true,
  rateLimit: true,
})

// bearer leaves the claims of the request's token in req.auth.
export const bearer = (settings) =>
  expressjwt({
    secret: jwksRsa.expressJwtSecret(jwksOptions(settings)),
    algorithms: [settings.algorithm],
    issuer: settings.issuer,
    audience: settings.audience,
    // The only option that is shown the header of a token with a good signature.
    isRevoked: async (req, token) => !isAccessToken(token),
  })

// role follows bearer on a route that wants more than a valid token.
export const role = (name) => (req, res, next) => {
  const { roles } = req.auth
  next(Array.isArray(roles) && roles.includes(name) ? undefined : forbidden())
}
