/**
 * Why a request is refused: for your log and your code. Who asks learns no more
 * than `status` and the challenge: a forger would ask until no reason is left.
 *
 * - `no_token`, `bad_request`: none was sent, or not as "Bearer token" once.
 * - `cross_site`: a cookie on a request that another site may have made.
 * - `malformed`, `type`, `key`, `signature`, `claim`, `issuer`, `audience`,
 *   `expired`, `not_yet_valid`: what is wrong with the token.
 * - `bound`: it has the claim cnf, and the proof of possession isn't checked here.
 * - `revoked`: the issuer took it back.
 * - `forbidden`: a good token, without a role, scope or permission that is needed.
 * - `unavailable`: keys or revocations are out of reach or too old to know; the
 *   message, and `cause`, say what went wrong when they were asked for.
 */
export type VerifyCode =
  | "no_token"
  | "bad_request"
  | "cross_site"
  | "malformed"
  | "type"
  | "key"
  | "signature"
  | "claim"
  | "issuer"
  | "audience"
  | "expired"
  | "not_yet_valid"
  | "bound"
  | "revoked"
  | "forbidden"
  | "unavailable";

/** A refusal. Its message names no value of the token. */
export class VerifyError extends Error {
  override readonly name = "VerifyError";
  /** Bundlers copy a module, and then there are several of this class: the name tells. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === "VerifyError" && "status" in value;
  }

  /** 401; 403 where the token is good but not enough; 503 where nobody can know. */
  readonly status: 401 | 403 | 503;

  constructor(
    readonly code: VerifyCode,
    detail = "",
    /** The scopes that are needed, for the challenge. */
    readonly scope: readonly string[] = [],
    /** What is behind it. */
    cause?: unknown,
  ) {
    const text = [code, detail, why(cause)].filter(Boolean).join(": ");
    super(text, cause === undefined ? undefined : { cause });
    this.status = code === "unavailable" ? 503 : code === "forbidden" || code === "cross_site" ? 403 : 401;
  }

  /** The error code of RFC 6750, section 3.1; undefined where there is none. */
  get error(): "invalid_request" | "invalid_token" | "insufficient_scope" | undefined {
    switch (this.code) {
      case "no_token":
      case "cross_site":
      case "unavailable":
        return undefined;
      case "bad_request":
        return "invalid_request";
      case "forbidden":
        return "insufficient_scope";
      default:
        return "invalid_token";
    }
  }
}

/** An answer to a request, for any framework. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A problem document (RFC 9457). */
  readonly body: string;
}

/**
 * The WWW-Authenticate header for a refusal (RFC 6750, section 3); undefined
 * where there is none: after a 503 the token may be good, and a client that threw
 * it away would sign people out because a cable was cut.
 */
export function challenge(error: VerifyError, realm = "api"): string | undefined {
  if (error.code === "unavailable" || error.code === "cross_site") return undefined;
  const scope = error.code === "forbidden" ? error.scope.join(" ") : "";
  return `Bearer realm=${quote(realm)}` + (error.error ? `, error="${error.error}"` : "") + (scope && `, scope=${quote(scope)}`);
}

function quote(text: string): string {
  return `"${text.replaceAll(/[\x00-\x1f\x7f]/g, "").replaceAll(/["\\]/g, "\\$&")}"`;
}

const titles = { 401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable" };

/** What to answer to a refusal; undefined for every other error. */
export function answerTo(error: unknown, realm?: string): Answer | undefined {
  if (!(error instanceof VerifyError)) return undefined;
  const { status } = error;
  const headers: Record<string, string> = { "Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };
  const authenticate = challenge(error, realm);
  if (authenticate) headers["WWW-Authenticate"] = authenticate;
  if (status === 503) headers["Retry-After"] = "2";
  return { status, headers, body: JSON.stringify({ title: titles[status], status, ...(error.error && { code: error.error }) }) + "\n" };
}

/** {@link answerTo} as a Response, for servers of the Fetch API. It throws every other error again. */
export function refusal(error: unknown, realm?: string): Response {
  const answer = answerTo(error, realm);
  if (!answer) throw error;
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
}

/** An error and what caused it, in a line: "fetch failed" alone helps nobody. */
export function why(error: unknown): string {
  const words: string[] = [];
  for (let e = error as { message?: string; code?: string; cause?: unknown } | undefined; e && words.length < 4; e = e.cause as typeof e) {
    const word = e.message || e.code; // of several addresses that were tried there is but a code
    if (word && !words.some((w) => w.includes(word))) words.push(word);
  }
  return words.join(": ").replaceAll(/\s+/g, " ").slice(0, 500);
}
