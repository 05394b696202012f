// passport-jwt and jwks-rsa: the same tokens, for an application that uses
// Passport.
import jwt from 'jsonwebtoken'
import jwksRsa from 'jwks-rsa'
import passport from 'passport'
import passportJwt from 'passport-jwt'
import { jwksOptions } from './bearer.js'
import { invalidToken, keysUnavailable, noToken, unavailable } from './refusal.js'
import { isAccessToken } from './token.js'

// passportBearer leaves the claims of the request's token in req.user.
export function passportBearer(settings) {
  const authenticator = new passport.Passport().use(strategy(settings))
  return (req, res, next) => {
    // Without a callback Passport answers 401 to everything, also where the
    // keys can't be had: to passport-jwt each error is a failed sign-in.
    const done = (error, claims, info) => {
      if (error) return next(error)
      if (!claims) return next(refusal(req, info))
      req.user = claims
      next()
    }
    authenticator.authenticate('jwt', { session: false }, done)(req, res, next)
  }
}

function refusal(req, info) {
  if (keysUnavailable(info)) return unavailable()
  return fromHeader(req) === null ? noToken() : invalidToken()
}

const fromHeader = passportJwt.ExtractJwt.fromAuthHeaderAsBearerToken()

const strategy = (settings) =>
  new passportJwt.Strategy(
    {
      jwtFromRequest: fromHeader,
      secretOrKeyProvider: keyProvider(settings),
      algorithms: [settings.algorithm],
      issuer: settings.issuer,
      audience: settings.audience,
    },
    (claims, done) => done(null, claims),
  )

// keyProvider has no key for what isn't an access token. passport-jwt shows the
// header of a token nowhere else; the signature is checked afterwards, over the
// same bytes.
//
// Where jwks-rsa finds no key it says so without an error. That must end the
// matter here: a token is never checked against nothing.
function keyProvider(settings) {
  const provider = jwksRsa.passportJwtSecret(jwksOptions(settings))
  return (req, raw, done) => {
    if (!isAccessToken(decode(raw))) return done(invalidToken())
    provider(req, raw, (error, key) => (key ? done(null, key) : done(error ?? invalidToken())))
  }
}

function decode(raw) {
  try {
    return jwt.decode(raw, { complete: true })
  } catch {
    return null // not a token at all
  }
}
