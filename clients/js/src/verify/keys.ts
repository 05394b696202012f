import { importJWK, type CryptoKey, type JWK } from "jose";
import { backoff, fetchText, json, lost, sleep, type Outside } from "./http.ts";

/** A key is good for one algorithm: its own. */
export interface Key {
  readonly alg: string;
  readonly kid: string | undefined;
  readonly key: CryptoKey;
}

/** Signatures of key pairs. A shared secret is never fetched: as a public key it would be everybody's. */
export const signing = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];

/** Keys out of reach: nobody can say whether a signature is good. */
export class KeysUnavailable extends Error {}

export interface KeySetOptions {
  algorithms: readonly string[];
  maxAge: number; // where the answer says none; milliseconds, as below
  maxStale: number; // how old keys may get while the issuer is out of reach
  cooldown: number; // between fetches because of unknown keys
  maxWait: number; // for a fetch, by whoever asks for a key
  /** Whether old keys may be refreshed while requests go on with them. */
  background: boolean;
}

/** A JWK Set, fetched when it is needed and kept. */
export class KeySet {
  #keys = new Map<string, Key>(); // by the JSON of its JWK: a key that comes again stays the same object
  #fetched: { at: number; monotonic: number } | undefined;
  #maxAge = 0;
  #flight: Promise<void> | undefined;
  #begun = 0; // it, by the machine's count
  #failures = 0; // in a row
  #trouble: unknown; // of the last failure
  #retryAt = -Infinity;
  #unknownAt = -Infinity; // until then no unknown name causes a fetch
  readonly #outside: Outside;
  readonly #url: () => Promise<string>;
  readonly #options: KeySetOptions;

  constructor(outside: Outside, url: () => Promise<string>, options: KeySetOptions) {
    this.#outside = outside;
    this.#url = url;
    this.#options = options;
  }

  /** The key by algorithm and name, undefined if the issuer has none such. */
  async find(alg: string, kid: string | undefined): Promise<Key | undefined> {
    const { maxStale, background, cooldown } = this.#options;
    const now = this.#outside.monotonic();
    const age = this.#age;
    if (age > this.#maxAge) {
      const refreshed = now >= this.#retryAt ? this.refresh() : this.#flight;
      if (refreshed && (age > maxStale || !background)) await this.#wait(refreshed);
    }
    let found = this.#lookUp(alg, kid);
    if (!found && (now >= this.#unknownAt || this.#flight)) {
      // Made-up names cause one fetch in a while, all together.
      if (!this.#flight) this.#unknownAt = now + cooldown;
      await this.#wait(this.refresh());
      found = this.#lookUp(alg, kid);
    }
    if (found && this.#age <= maxStale) return found;
    if (this.#failures || this.#flight || !this.#fetched) throw new KeysUnavailable("keys are out of reach", { cause: this.#trouble });
    return undefined;
  }

  /**
   * Whether a key is there still. It waits for nobody, but has old keys refreshed,
   * for who sees the same tokens again and again asks nothing else; where that
   * can't be done in the background the answer is no.
   */
  has(key: Key): boolean {
    const age = this.#age;
    if (age > this.#maxAge && this.#outside.monotonic() >= this.#retryAt) {
      if (!this.#options.background) return false;
      void this.refresh();
    }
    return age <= this.#options.maxStale && this.#lookUp(key.alg, key.kid) === key;
  }

  /** How old the keys are, by the clock that says more: one may be set back, the other stands still while the machine sleeps. */
  get #age(): number {
    if (!this.#fetched) return Infinity;
    const { at, monotonic } = this.#fetched;
    return Math.max(this.#outside.now() - at, this.#outside.monotonic() - monotonic);
  }

  /** Fetches until the set is there for the first time. */
  async arrive(signal: AbortSignal): Promise<void> {
    while (!this.#fetched && !signal.aborted) {
      await this.refresh();
      if (this.#failures) await sleep(backoff(this.#failures), signal);
    }
  }

  /** Fetches the set as it is from now on: what is under way may have been answered before. If that fails, the next who asks tries again. */
  async renew(): Promise<void> {
    await this.#flight;
    this.#maxAge = 0;
    this.#unknownAt = -Infinity;
    await this.refresh();
  }

  /** Fetches the set, for all who ask together. It doesn't reject: what is there goes on counting. */
  refresh(): Promise<void> {
    const now = this.#outside.monotonic();
    if (this.#flight && now - this.#begun < lost) return this.#flight;
    this.#begun = now;
    const flight = (this.#flight = this.#fetch()
      .then(
        () => {
          this.#failures = 0;
          this.#trouble = undefined;
        },
        (error) => {
          this.#retryAt = this.#outside.monotonic() + backoff(++this.#failures);
          this.#trouble = error;
        },
      )
      .finally(() => this.#flight === flight && (this.#flight = undefined)));
    return flight;
  }

  async #wait(flight: Promise<void>): Promise<void> {
    let timer;
    await Promise.race([flight, new Promise((resolve) => (timer = setTimeout(resolve, this.#options.maxWait)))]);
    clearTimeout(timer);
  }

  #lookUp(alg: string, kid: string | undefined): Key | undefined {
    const keys = [...this.#keys.values()].filter((key) => key.alg === alg && (kid === undefined || key.kid === kid));
    return keys.length === 1 ? keys[0] : undefined; // two would be a choice that the token makes
  }

  async #fetch(): Promise<void> {
    const url = await this.#url();
    const { status, headers, body } = await fetchText(this.#outside, url, { headers: { Accept: "application/jwk-set+json, application/json" } }, maxBytes);
    if (status !== 200) throw new Error(`${url} answered ${status}`);
    const next = new Map<string, Key>();
    for (const jwk of keysOf(json(url, body))) {
      const id = JSON.stringify(jwk);
      const key = this.#keys.get(id) ?? (await imported(jwk, this.#options.algorithms));
      if (key) next.set(id, key);
    }
    this.#keys = next;
    this.#fetched = { at: this.#outside.now(), monotonic: this.#outside.monotonic() };
    const said = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(headers.get("Cache-Control") ?? "");
    this.#maxAge = said ? Math.min(Math.max(Number(said[1]) * 1000, 1000), 86_400_000) : this.#options.maxAge;
  }
}

const maxBytes = 1 << 20;

function keysOf(set: { keys?: unknown } | null): JWK[] {
  const keys = set?.keys;
  if (!Array.isArray(keys)) throw new Error("not a JWK Set");
  if (keys.some((jwk) => jwk?.d !== undefined || jwk?.k !== undefined)) throw new Error("a set with secrets in it");
  return keys;
}

/** The key of a JWK, undefined if it isn't one for signatures that are known here. */
async function imported(jwk: JWK, algorithms: readonly string[]): Promise<Key | undefined> {
  const alg = jwk?.alg ?? (jwk?.kty === "RSA" ? "RS256" : undefined); // large issuers leave it out
  if (!alg || !algorithms.includes(alg) || (jwk.use !== undefined && jwk.use !== "sig")) return undefined;
  try {
    const key = await importJWK(jwk, alg);
    if (key instanceof Uint8Array || key.type !== "public") return undefined;
    return { alg, kid: typeof jwk.kid === "string" ? jwk.kid : undefined, key };
  } catch {
    return undefined; // a curve that this runtime doesn't have
  }
}
