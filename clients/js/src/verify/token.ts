import { errors, jwtVerify, type JWTHeaderParameters, type JWTPayload } from "jose";
import { Access } from "./claims.ts";
import { encode64 } from "./bytes.ts";
import { VerifyError, type VerifyCode } from "./error.ts";
import type { Outside } from "./http.ts";
import { KeysUnavailable, signing, type Key, type KeySet } from "./keys.ts";
import { kinds, logName } from "./page.ts";

const maxToken = 16 << 10;

export interface TokenOptions {
  issuer: string;
  audiences: string[];
  leeway: number; // milliseconds
  cacheSize: number;
}

/** A token whose signature and claims are good. */
export interface Verified<Custom extends object> {
  readonly access: Access<Custom>;
  /** Its names in the revocation log. */
  readonly names: readonly string[];
  readonly key: Key;
  readonly from: number; // unix milliseconds, leeway included
  readonly until: number;
}

/** Verifies tokens, each signature once. What may change, time and keys, is looked at each time. */
export class TokenVerifier<Custom extends object> {
  readonly #outside: Outside;
  readonly #keys: KeySet;
  readonly #options: TokenOptions;
  readonly #cache = new Map<string, Verified<Custom>>();

  constructor(outside: Outside, keys: KeySet, options: TokenOptions) {
    this.#outside = outside;
    this.#keys = keys;
    this.#options = options;
  }

  async verify(token: string): Promise<Verified<Custom>> {
    const known = this.#cache.get(token);
    if (known) {
      const now = this.#outside.now();
      if (now < known.until && now >= known.from && this.#keys.has(known.key)) return known;
      this.#cache.delete(token);
    }
    const verified = await this.#verify(token);
    if (this.#options.cacheSize > 0) {
      this.#cache.set(token, verified);
      // The oldest goes: a Map is in order of insertion.
      if (this.#cache.size > this.#options.cacheSize) this.#cache.delete(this.#cache.keys().next().value!);
    }
    return verified;
  }

  async #verify(token: string): Promise<Verified<Custom>> {
    if (typeof token !== "string") throw new VerifyError("malformed", "not a string");
    if (token.length > maxToken) throw new VerifyError("malformed", "too long");
    const { issuer, audiences, leeway } = this.#options;
    const now = this.#outside.now();
    let key: Key | undefined;
    let payload: JWTPayload;
    try {
      const result = await jwtVerify(
        token,
        async (header) => {
          key = await this.#key(header);
          return key.key;
        },
        {
          algorithms: signing,
          typ: "at+jwt",
          issuer,
          audience: audiences,
          requiredClaims: ["iss", "aud", "exp", "sub", "client_id", "iat", "jti"],
          clockTolerance: leeway / 1000,
          currentDate: new Date(now),
        },
      );
      payload = result.payload;
    } catch (error) {
      throw refused(error, { aud: "it isn't for " + audiences.join(" or "), iss: "it isn't of " + issuer });
    }
    // A token that is bound to its holder's key is no bearer token (RFC 7800, RFC 9449).
    if (payload.cnf !== undefined) throw new VerifyError("bound");
    if (payload.iat! * 1000 > now + Math.max(leeway, 60_000)) throw new VerifyError("claim", "iat lies in the future");
    const access = new Access<Custom>(payload);
    return {
      access,
      names: await namesOf(access, key!.kid),
      key: key!,
      from: payload.nbf === undefined ? -Infinity : payload.nbf * 1000 - leeway,
      until: payload.exp! * 1000 + leeway,
    };
  }

  /** The key that the header names, whose algorithm must be the header's. */
  async #key({ alg, kid }: JWTHeaderParameters): Promise<Key> {
    const key = await this.#keys.find(alg, kid);
    if (!key) throw new VerifyError("key");
    return key;
  }
}

/** The names under which a token can be revoked. */
async function namesOf(access: Access, kid: string | undefined): Promise<string[]> {
  const { jti, sid, epochs = [] } = access.claims;
  const ids: [number, string | undefined][] = [[kinds.token, jti], [kinds.session, sid], [kinds.key, kid]];
  for (const epoch of epochs) ids.push([kinds.epoch, epoch]);
  return Promise.all(ids.filter(([, id]) => id).map(async ([kind, id]) => encode64(await logName(kind, id!))));
}

const claims: Record<string, VerifyCode> = { iss: "issuer", aud: "audience", nbf: "not_yet_valid", typ: "type" };

/** expected tells what a claim should have been: what it is stays out of the log. */
function refused(error: unknown, expected: Record<string, string>): VerifyError {
  if (error instanceof VerifyError) return error;
  if (error instanceof KeysUnavailable) return new VerifyError("unavailable", error.message, [], error.cause);
  if (error instanceof errors.JWTExpired) return new VerifyError("expired");
  if (error instanceof errors.JWTClaimValidationFailed) return new VerifyError(claims[error.claim] ?? "claim", expected[error.claim] ?? error.claim);
  if (error instanceof errors.JWSSignatureVerificationFailed) return new VerifyError("signature");
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) return new VerifyError("key");
  return new VerifyError("malformed"); // also what jose throws because of a key of another type
}
