/**
 * Checks access tokens on a server: Node 20, Deno, Bun, edge runtimes, or a page.
 * It uses jose and what the Web Platform has.
 *
 * @module
 */
import { Access, checkDemands, demand, type Demands } from "./claims.ts";
import { Issuer } from "./discovery.ts";
import { VerifyError, why } from "./error.ts";
import { Follower } from "./follow.ts";
import { address, type Outside } from "./http.ts";
import { Introspection, type ClientCredentials } from "./introspect.ts";
import { KeySet, signing } from "./keys.ts";
import { bearer } from "./request.ts";
import { TokenVerifier, type Verified } from "./token.ts";

export { Access, checkDemands, type AccessClaims, type Demands } from "./claims.ts";
export { answerTo, challenge, refusal, VerifyError, type Answer, type VerifyCode } from "./error.ts";
export type { ClientCredentials } from "./introspect.ts";
export { bearer, cookieValue, credential, type CookieOptions, type Incoming } from "./request.ts";

/**
 * What to do with a good token while revocations are out of date.
 *
 * - `reject`: 503. The default.
 * - `introspect`: ask the issuer about the token, which takes `credentials`; 503 if it doesn't answer.
 * - `acceptUntilExpiry`: take it. Whoever can cut the cable keeps a revoked token alive until its exp.
 */
export type StalePolicy = "reject" | "introspect" | "acceptUntilExpiry";

export interface VerifierOptions {
  /** The exact iss, and where discovery starts: https, or http on this machine. */
  issuer: string;
  /** This API's name; one of them must be in aud. */
  audience: string | readonly string[];
  /**
   * - `follow`: in the background, by a stream. The default: a revoked token is refused within moments.
   * - `ask`: a request that finds what is known older than `askAfter` asks first. For runtimes that
   *   stop between requests, as edge functions do.
   * - `unchecked`: never. A revoked token is accepted until its exp.
   */
  revocation?: "follow" | "ask" | "unchecked";
  /** How old what is known of revocations may be; seconds, default 30. */
  maxStale?: number;
  /** See `ask`; seconds, default 5, at most maxStale. */
  askAfter?: number;
  /** What to do then; default `reject`. */
  stale?: StalePolicy;
  /** To introspect: a client of the issuer whose audiences hold this API. */
  credentials?: ClientCredentials;
  /** Where the revocation log is, if not where the issuer says: a relay, which needs no trust. */
  log?: string;
  /** By how much clocks may differ for exp and nbf; seconds, default 30, at most 60, and 300 if revocations are `unchecked`. */
  leeway?: number;
  /** How many verified tokens are remembered, default 1000; 0: none. */
  cacheSize?: number;
  /** Told when revocations can't be followed any more, and with undefined when they can again; default: a line on the console. */
  onTrouble?: (error: unknown) => void;
  /** Default: the global one. */
  fetch?: typeof fetch;
  /** Unix milliseconds; default Date.now. */
  now?: () => number;
}

/** What a route demands, and its own policy. */
export interface Check extends Demands {
  readonly stale?: StalePolicy;
}

export interface Stats {
  readonly fresh: boolean;
  /** Seconds; Infinity if nothing was heard yet. */
  readonly age: number;
  /** The number up to which revocations are applied. */
  readonly sequence: number;
  readonly revoked: number;
}

export interface Verifier<Custom extends object = object> {
  /** Checks a token, or rejects with a {@link VerifyError}. */
  verify(token: string, check?: Check): Promise<Access<Custom>>;
  /** The same for the bearer token of a request. */
  authenticate(request: { readonly headers: Headers }, check?: Check): Promise<Access<Custom>>;
  /** Resolves when keys and revocations are there for the first time. */
  readonly ready: Promise<void>;
  stats(): Stats;
  /** Ends following. What is known goes on counting until it is out of date. */
  dispose(): void;
}

/** How long first requests wait for keys and revocations, in milliseconds. */
const firstWait = 2000;

/** The largest leeway where a log is followed, in seconds: the issuer drops an entry two minutes after the tokens have expired that it is about. */
const maxLogLeeway = 60;

/**
 * Makes a verifier; a process needs one for each API. It waits for nothing: a
 * server starts while its issuer is down, and answers 503 until it is up.
 */
export function createVerifier<Custom extends object = object>(options: VerifierOptions): Verifier<Custom> {
  const { revocation = "follow", stale = "reject", credentials, onTrouble = onConsole(options.issuer) } = options;
  const { audiences, leeway, maxStale, askAfter } = checked(options);
  const outside: Outside = {
    fetch: options.fetch ?? ((...args) => fetch(...args)),
    now: options.now ?? (() => Date.now()),
    monotonic: () => performance.now(),
  };
  const issuer = new Issuer(outside, options.issuer);
  const background = revocation !== "ask";
  const keys = new KeySet(outside, async () => (await issuer.document).jwks, {
    algorithms: signing,
    maxAge: 600_000,
    maxStale: 86_400_000,
    cooldown: 30_000,
    maxWait: firstWait,
    background,
  });
  const tokens = new TokenVerifier<Custom>(outside, keys, { issuer: options.issuer, audiences, leeway, cacheSize: options.cacheSize ?? 1000 });
  const introspection = credentials && new Introspection(issuer, credentials);
  const begun = outside.monotonic();
  const stop = new AbortController();

  let follower: Follower | undefined;
  if (revocation !== "unchecked") {
    const onOtherKeys = () => void keys.renew();
    follower = new Follower(issuer, { maxStale, leeway, url: options.log, onTrouble, onOtherKeys }, background);
    if (background) follower.run().catch(onTrouble);
  }

  const arrived = background ? keys.arrive(stop.signal) : undefined;

  /** Waits for what arrives once, as long as the verifier is new. */
  async function first(what: Promise<void>): Promise<void> {
    const left = begun + firstWait - outside.monotonic();
    if (left <= 0) return;
    let timer;
    await Promise.race([what, new Promise((resolve) => (timer = setTimeout(resolve, left)))]);
    clearTimeout(timer);
  }

  async function current(): Promise<boolean> {
    const { log } = follower!;
    if (!background) {
      if (log.age >= askAfter || !log.fresh) await follower!.ask(firstWait, Math.min(askAfter, firstWait));
    } else if (!log.fresh) await first(follower!.ready);
    return log.fresh;
  }

  async function checkRevoked(token: string, { names }: Verified<Custom>, policy: StalePolicy): Promise<void> {
    if (!follower) return;
    const fresh = await current();
    if (follower.log.revoked(names)) throw new VerifyError("revoked");
    if (fresh || policy === "acceptUntilExpiry") return;
    const active = policy === "introspect" && introspection ? await introspection.active(token).catch(() => undefined) : undefined;
    if (active === undefined) throw new VerifyError("unavailable", "revocations are out of date", [], follower.trouble);
    if (!active) throw new VerifyError("revoked");
  }

  const verifier: Verifier<Custom> = {
    async verify(token, check = {}) {
      checkDemands(check);
      if (arrived) await first(arrived);
      const verified = await tokens.verify(token);
      await checkRevoked(token, verified, check.stale ?? stale);
      demand(verified.access, check);
      return verified.access;
    },
    async authenticate({ headers }, check) {
      return verifier.verify(bearer(headers.get("Authorization")), check);
    },
    ready: background ? Promise.all([arrived, follower?.ready]).then(() => {}) : Promise.resolve(),
    stats() {
      const log = follower?.log;
      return { fresh: !!log?.fresh, age: log ? log.age / 1000 : Infinity, sequence: log?.after ?? 0, revoked: log?.size ?? 0 };
    },
    dispose() {
      stop.abort();
      follower?.stop();
    },
  };
  return verifier;
}

/** Tells the console of trouble: whoever finds 503 in a log should find out why. */
function onConsole(issuer: string): (error: unknown) => void {
  return (error) => {
    if (error === undefined) console.info(`writ: the revocations of ${issuer} can be followed again`);
    else console.warn(`writ: the revocations of ${issuer} can't be followed: ${why(error)}`);
  };
}

/** Refuses options that make no sense, and turns seconds into milliseconds. */
function checked({ issuer, audience, leeway = 30, maxStale = 30, askAfter = 5, revocation = "follow", stale, credentials }: VerifierOptions) {
  if (!issuer) throw new TypeError("issuer is missing");
  address(issuer);
  if (!["follow", "ask", "unchecked"].includes(revocation)) throw new TypeError(`revocation must be "follow", "ask" or "unchecked", not ${JSON.stringify(revocation)}`);
  checkDemands({ stale });
  const audiences = [audience].flat() as string[];
  if (!audiences.length || audiences.some((name) => typeof name !== "string" || !name)) throw new TypeError("audience is missing");
  const maxLeeway = revocation === "unchecked" ? 300 : maxLogLeeway;
  if (!(leeway >= 0 && leeway <= maxLeeway)) throw new TypeError(`leeway must be 0 to ${maxLeeway} seconds`);
  if (!(maxStale >= 1 && maxStale <= 3600)) throw new TypeError("maxStale must be 1 to 3600 seconds");
  if (stale === "introspect" && !credentials) throw new TypeError("to introspect takes credentials");
  return { audiences, leeway: leeway * 1000, maxStale: maxStale * 1000, askAfter: Math.min(Math.max(askAfter, 0) || 0, maxStale) * 1000 };
}
