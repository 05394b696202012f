import { VerifyError } from "./error.ts";

/** Where a request's token is, besides the Authorization header. */
export interface CookieOptions {
  /**
   * Also takes the token from this cookie, such as `__Host-writ_at`. Requests that
   * change something then need a sign that one of your own pages sent them.
   */
  cookie?: string;
  /** The origins, besides the request's own, whose pages may send such requests: `https://app.example.com`. */
  trustedOrigins?: readonly string[];
}

/** A request, as every framework has one. */
export interface Incoming {
  readonly method: string;
  /** All lines of a header, joined by ", " or, for Cookie, "; ". */
  header(name: string): string | null | undefined;
}

/** The one token of a request: a bearer token or, if there is none, the cookie's. */
export function credential(request: Incoming, { cookie, trustedOrigins = [] }: CookieOptions = {}): string {
  const authorization = request.header("authorization");
  if (!cookie || (authorization && /^bearer(?: |$)/i.test(authorization))) return bearer(authorization);
  const token = cookieValue(request.header("cookie"), cookie);
  if (!token) throw new VerifyError("no_token");
  if (!safe(request) && !sameSite((name) => request.header(name), trustedOrigins)) throw new VerifyError("cross_site");
  return token;
}

/** Reads an Authorization header (RFC 6750, section 2.1): exactly one bearer token. */
export function bearer(header: string | null | undefined): string {
  if (!header || !/^bearer(?: |$)/i.test(header)) throw new VerifyError("no_token");
  const token = header.slice(6).trim();
  // Of "one, two" whoever stands before this server may have checked the other.
  if (!/^[^\s,]+$/.test(token)) throw new VerifyError("bad_request");
  return token;
}

/** A cookie's value. One that is sent twice is refused: a neighbouring host may have set the second. */
export function cookieValue(header: string | null | undefined, name: string): string | undefined {
  const values = (header ?? "").split(";").flatMap((part) => {
    const at = part.indexOf("=");
    return at >= 0 && part.slice(0, at).trim() === name ? [part.slice(at + 1).trim()] : [];
  });
  if (values.length > 1) throw new VerifyError("bad_request", "a cookie that is sent twice");
  return values[0];
}

/** Whether a request changes nothing. A WebSocket begins with a GET, but what follows can be read and changes things. */
function safe(request: Incoming): boolean {
  return ["GET", "HEAD", "OPTIONS"].includes(request.method) && !request.header("upgrade");
}

/** Whether a browser says that one of our own pages sent it. Where nothing is said nobody vouches for it. */
export function sameSite(header: Incoming["header"], trusted: readonly string[]): boolean {
  const origin = header("origin");
  return header("sec-fetch-site") === "same-origin" || (!!origin && trusted.includes(origin));
}

/** Refuses what is no origin as browsers write them; in a text instead of a list any part of it would be found. */
export function checkOrigins(origins: unknown = []): void {
  if (!Array.isArray(origins)) throw new TypeError("trustedOrigins must be a list");
  for (const origin of origins) {
    const is = typeof origin === "string" && /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@\\]+$/.test(origin);
    // Browsers write no port that goes without saying, and no capitals.
    const exact = is && (!/^https?:/.test(origin) || (URL.canParse(origin) && new URL(origin).origin === origin));
    if (!exact) throw new TypeError(`trustedOrigins: ${JSON.stringify(origin)} is no origin, such as "https://app.example.com"`);
  }
}
