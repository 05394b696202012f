// What jsonwebtoken, and with it express-jwt and passport-jwt, can't be asked
// to check. Each of them calls this with a decoded token whose signature it
// checks as well.
export function isAccessToken(token) {
  return (
    // Another kind of token under the same keys and for the same audience must
    // not pass for an access token (RFC 9068 section 4, RFC 8725 section 3.11).
    /^(application\/)?at\+jwt$/i.test(token?.header.typ) &&
    // What the issuer calls critical must be understood, and nothing is here
    // (RFC 7515 section 4.1.11).
    token.header.crit === undefined &&
    // jsonwebtoken takes a token without an expiry to be good for ever.
    typeof token.payload.exp === 'number' &&
    // A token that is bound to its holder's key is no bearer token: whoever
    // sends it has to prove that they hold the key (RFC 7800, RFC 9449).
    token.payload.cnf === undefined
  )
}
