// Asks the denylist that Writ keeps in Redis or Valkey (writ serve --redis …)
// whether an access token is revoked: one HMGET a token.

import { createHash } from 'node:crypto'

// Thrown when the list can't tell: answer 503, never "accepted".
export class CannotKnow extends Error {}

// The name of an identifier in the list: half of SHA-256(kind, 0, id).
function name(kind, id) {
  return createHash('sha256').update(Uint8Array.of(kind, 0)).update(id).digest().subarray(0, 16).toString('base64url')
}

/**
 * Whether a token is revoked. It must have been verified before.
 * @param {(key: string, fields: string[]) => Promise<(string | null)[]>} hmget
 *   (key, fields) => client.hmGet(key, fields) of redis, client.hmget(key, fields) of ioredis
 * @param {{iss: string, jti: string, sid?: string, epochs: string[]}} claims
 * @param {string} kid of the token's header; '' for an API with a shared secret
 * @param {number} maxAge seconds since Writ last wrote, and between the two clocks
 */
export async function revoked(hmget, claims, kid, maxAge = 10) {
  const names = [name(1, claims.jti), name(4, kid), ...claims.epochs.map((epoch) => name(3, epoch))]
  if (claims.sid !== undefined) names.push(name(2, claims.sid)) // a service's token has none
  const [head, ...found] = await hmget(`writ:revoked:${claims.iss}`, ['head', ...names])
  const { version, time } = head ? JSON.parse(head) : {}
  if (version !== 1 || !(Math.abs(Date.now() / 1000 - time) <= maxAge)) throw new CannotKnow('the denylist is not current')
  if (found.length !== names.length) throw new CannotKnow('not an answer to HMGET')
  return found.some((expiry) => expiry !== null)
}
