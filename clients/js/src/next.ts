/**
 * Sign-in for Next.js (App Router), with Writ's paths on the application's own
 * origin: the proxy leads /v1/login, refresh, logout, logout-all, signup and me to
 * Writ, so that its cookies are this host's.
 *
 * The proxy keeps the access token fresh, and decides nothing. Who may see what
 * is decided where data is read, by `user`, `handler` and `action`: whatever
 * gets past a proxy, such as a request with x-middleware-subrequest, gets nothing.
 *
 * @module
 */
import { checkDemands, cookieValue, createVerifier, credential, refusal, VerifyError, type Access, type Check, type Verifier, type VerifierOptions } from "./verify/index.ts";
import { why } from "./verify/error.ts";
import { address } from "./verify/http.ts";
import { checkOrigins, sameSite } from "./verify/request.ts";

export { VerifyError, type Access, type AccessClaims, type Check } from "./verify/index.ts";

/** What is used of `cookies` and `headers` of next/headers. */
export interface NextHeaders {
  cookies(): Promise<{ get(name: string): { value: string } | undefined }>;
  headers(): Promise<{ get(name: string): string | null }>;
}

/** What is used of NextResponse. */
export interface NextResponses {
  next(init: { request: { headers: Headers } }): Response;
  rewrite(url: URL, init: { request: { headers: Headers } }): Response;
}

export interface NextOptions extends NextHeaders, Omit<VerifierOptions, "audience"> {
  /** The name that access tokens must be for; default: Writ itself, as the browser client asks for. */
  audience?: string | readonly string[];
  /** Where Writ is, if this server reaches it at another address than the issuer's. */
  server?: string;
  /** The origins, besides the application's own, whose pages may send requests that change something. */
  trustedOrigins?: readonly string[];
}

type Handler<Context> = (request: Request, access: Access, context: Context) => Response | Promise<Response>;

export interface WritNext {
  /**
   * The proxy (proxy.ts; middleware.ts before Next.js 16). Where the access token
   * is missing or over and the session isn't, it gets a new one, and the page is
   * rendered with it at once.
   */
  proxy(responses: NextResponses): (request: Request) => Promise<Response>;
  /**
   * Who asks, in server components, server actions and route handlers; null:
   * nobody. It throws a {@link VerifyError} where nobody can know (`unavailable`,
   * show an error page and not the sign-in) or where the token isn't enough
   * (`forbidden`).
   */
  user(check?: Check): Promise<Access | null>;
  /** As user, but throws also if nobody is signed in: for what reads data. */
  require(check?: Check): Promise<Access>;
  /** A route handler for who is signed in; others get 401, 403 or 503. What changes something must come from an own page. */
  handler<Context>(handle: Handler<Context>, check?: Check): (request: Request, context: Context) => Promise<Response>;
  /** A server action for who is signed in, called by an own page; for others it throws. */
  action<Args extends unknown[], Result>(act: (access: Access, ...args: Args) => Promise<Result>, check?: Check): (...args: Args) => Promise<Result>;
}

/** What the browser client asks of Writ. */
const forwarded = /^\/v1\/(?:login|refresh|logout|logout-all|signup|me)$/;
/** A request header of the proxy's own, for pages: why the session couldn't be refreshed, which may live. */
const failedHeader = "x-writ-unavailable";
/** In the query: the second half of the hand-shake, which therefore has no third. */
const handshake = "writ_handshake";
/** A cookie without a secret: this browser has a session. */
const hint = "writ_hint";

export function createNext(options: NextOptions): WritNext {
  const { issuer, server = issuer, trustedOrigins = [], cookies, headers } = options;
  if (!issuer) throw new TypeError("issuer is missing");
  address(issuer);
  checkOrigins(trustedOrigins);
  const prefix = issuer.startsWith("https:") ? "__Host-" : "";
  const names = { access: prefix + "writ_at", refresh: prefix + "writ_rt", hint: prefix + hint };
  const fetcher: typeof fetch = options.fetch ?? ((...args) => fetch(...args));
  const there = through(issuer, server, fetcher);
  const verifier = () => shared({ ...options, audience: options.audience ?? issuer, fetch: there }, server);
  const refresh = newRefresh(server, issuer, names.refresh, fetcher);

  async function user(check?: Check): Promise<Access | null> {
    checkDemands(check);
    const token = (await cookies()).get(names.access)?.value;
    try {
      if (!token) throw new VerifyError("no_token");
      return await verifier().verify(token, check);
    } catch (error) {
      if (!(error instanceof VerifyError) || error.status !== 401) throw error;
      const failed = (await headers()).get(failedHeader);
      if (failed) throw new VerifyError("unavailable", "the session couldn't be refreshed: " + failed);
      return null;
    }
  }

  async function required(check?: Check): Promise<Access> {
    const access = await user(check);
    if (!access) throw new VerifyError("no_token");
    return access;
  }

  async function needsRefresh(token: string | undefined): Promise<boolean> {
    if (!token || endsSoon(token)) return true;
    try {
      await verifier().verify(token);
      return false;
    } catch (error) {
      // Also of a token that was revoked the session may live: its user lost a role.
      return error instanceof VerifyError && error.status === 401;
    }
  }

  async function proxy(responses: NextResponses, request: Request): Promise<Response> {
    verifier(); // begins to follow with the first visitor, before anybody is to be checked
    const url = new URL(request.url);
    const forward = new Headers(request.headers);
    forward.delete(failedHeader); // ours alone
    const sent = forward.get("cookie");
    const [access, secret, hinted] = [names.access, names.refresh, names.hint].map((name) => once(sent, name));
    if (forwarded.test(url.pathname)) {
      const own = Object.values(names).flatMap((name) => (sent ?? "").split(";").filter((part) => part.split("=", 1)[0]!.trim() === name));
      forward.set("cookie", own.join(";")); // the application's own are none of Writ's business
      return responses.rewrite(new URL(url.pathname, server), { request: { headers: forward } });
    }
    const second = url.searchParams.has(handshake);
    if (!secret && !access && hinted && !second && crossSiteVisit(request)) return bounce();

    const set: string[] = [];
    let alive = !!secret;
    if (secret && (await needsRefresh(access))) {
      const { cookies, failed } = await refresh(secret, forward);
      for (const line of cookies) set.push(line);
      if (cookies.length) forward.set("cookie", withCookies(sent, cookies));
      else alive = false;
      if (failed) forward.set(failedHeader, failed);
    }
    if (alive && !hinted) set.push(`${names.hint}=1; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax${prefix && "; Secure"}`);
    if (!secret && hinted && !crossSite(request)) set.push(`${names.hint}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax${prefix && "; Secure"}`);

    url.searchParams.delete(handshake);
    // The fragment, which only the browser has, survives this.
    const response = second && request.method === "GET" ? new Response(null, { status: 307, headers: { Location: url.href } }) : responses.next({ request: { headers: forward } });
    for (const line of set) response.headers.append("Set-Cookie", line);
    if (set.length || second) response.headers.set("Cache-Control", "private, no-store"); // nobody else's
    return response;
  }

  return {
    proxy: (responses) => (request) => proxy(responses, request),
    user,
    require: required,
    handler(handle, check) {
      checkDemands(check);
      return async (request, context) => {
        let access: Access;
        try {
          const token = credential({ method: request.method, header: (name) => request.headers.get(name) }, { cookie: names.access, trustedOrigins });
          access = await verifier().verify(token, check);
        } catch (error) {
          if (error instanceof VerifyError && error.status === 401 && request.headers.get(failedHeader)) return refusal(new VerifyError("unavailable"));
          return refusal(error);
        }
        return handle(request, access, context);
      };
    },
    action(act, check) {
      checkDemands(check);
      return async (...args) => {
        const asked = await headers();
        if (!sameSite((name) => asked.get(name), trustedOrigins)) throw new VerifyError("cross_site");
        return act(await required(check), ...args);
      };
    },
  };
}

/** Seconds that must be left of an access token for a page to begin with it, at most a tenth of its life. */
const margin = 30;

/** Whether a token that nobody has verified says that it is over: a reason to get another, and for nothing else. */
function endsSoon(token: string): boolean {
  try {
    const { exp, iat } = JSON.parse(atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
    return !(exp - Date.now() / 1000 > Math.min(margin, (exp - iat) / 10));
  } catch {
    return true;
  }
}

/** A cookie's value; of two nobody can tell which is real. */
function once(sent: string | null, name: string): string | undefined {
  try {
    return cookieValue(sent, name);
  } catch {
    return undefined;
  }
}

function crossSite(request: Request): boolean {
  return request.headers.get("sec-fetch-site") === "cross-site";
}

/** Somebody follows a link of another site: browsers keep the refresh token, SameSite=Strict, out of that. */
function crossSiteVisit(request: Request): boolean {
  const { headers, method } = request;
  return method === "GET" && crossSite(request) && headers.get("sec-fetch-mode") === "navigate" && headers.get("sec-fetch-dest") === "document";
}

const script = `location.replace(location.pathname+location.search+(location.search?"&":"?")+"${handshake}=1"+location.hash)`;

/** An empty page that asks for the same once more, now as a page of this origin. */
function bounce(): Response {
  return new Response(`<!doctype html><meta name=robots content=noindex><title></title><script>${script}</script>`, {
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Cache-Control": "private, no-store",
      "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'", // there is but this one
      "Referrer-Policy": "no-referrer",
      "X-Frame-Options": "DENY",
    },
  });
}

/** A Cookie header with the values of Set-Cookie lines in place of older ones. */
function withCookies(sent: string | null, lines: readonly string[]): string {
  const fresh = new Map(lines.map((line) => line.split(";", 1)[0]!.split(/=(.*)/s) as [string, string]));
  const kept = (sent ?? "").split(";").filter((part) => part.trim() && !fresh.has(part.split("=", 1)[0]!.trim()));
  return [...kept.map((part) => part.trim()), ...[...fresh].map(([name, value]) => `${name}=${value}`)].join("; ");
}

interface Refreshed {
  cookies: readonly string[]; // Set-Cookie lines
  /** Why it may live though: nobody answered, or not about this session. Else empty. */
  failed: string;
}

/** What a header can hold of a text. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 200).trim() || "no answer";
}

/** For how long a refused refresh token isn't asked about again, in milliseconds. */
const refusedFor = 60_000;

/** Makes what refreshes a session for a browser: all requests that come with one token together. */
function newRefresh(server: string, issuer: string, name: string, fetcher: typeof fetch) {
  const flights = new Map<string, Promise<Refreshed>>();
  const refused = new Map<string, number>();

  async function ask(secret: string, from: Headers): Promise<Refreshed> {
    const headers = new Headers({ cookie: `${name}=${secret}`, origin: issuer, accept: "application/json" });
    for (const header of ["user-agent", "x-forwarded-for"]) if (from.has(header)) headers.set(header, from.get(header)!);
    try {
      const response = await fetcher(new URL("/v1/refresh", server), { method: "POST", headers, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(5000) });
      const cookies = response.headers.getSetCookie();
      const answer = (await response.json().catch(() => null)) as { code?: string } | null;
      if (response.ok && answer && cookies.length) return { cookies, failed: "" };
      const code = answer?.code ?? "";
      const over = response.status === 401 && /^(session_ended|invalid_token|state_lost|unauthenticated)$/.test(code);
      if (over) refused.set(secret, performance.now());
      return { cookies: [], failed: over ? "" : printable(`${response.status} ${code}`) };
    } catch (error) {
      return { cookies: [], failed: printable(why(error)) };
    }
  }

  return (secret: string, from: Headers): Promise<Refreshed> => {
    for (const [key, at] of refused) if (performance.now() - at > refusedFor || refused.size > 10_000) refused.delete(key);
    if (refused.has(secret)) return Promise.resolve({ cookies: [], failed: "" });
    let flight = flights.get(secret);
    if (!flight) {
      flight = ask(secret, from).finally(() => flights.delete(secret));
      flights.set(secret, flight);
    }
    return flight;
  };
}

/** A fetch that finds the issuer's addresses at server: keys, and the revocation log. */
function through(issuer: string, server: string, fetcher: typeof fetch): typeof fetch {
  if (!/^https?:\/\/[^/]/.test(server)) throw new TypeError(`server: ${JSON.stringify(server)} is no address, such as "http://writ:8080"`);
  const [from, to] = [new URL(issuer).origin, new URL(server).origin];
  return (input, init) => {
    const url = new URL(String(input));
    return fetcher(url.origin === from ? to + url.pathname + url.search : url.href, init);
  };
}

/**
 * The verifier of a process. Next.js has a module several times, in bundles of
 * its own and anew with each change in development; each would follow the log.
 */
function shared(options: VerifierOptions & NextHeaders, server: string): Verifier {
  const { issuer, audience, revocation, maxStale, askAfter, stale, log, leeway } = options;
  const key = Symbol.for("writ.next " + JSON.stringify([issuer, server, audience, revocation, maxStale, askAfter, stale, log, leeway]));
  const all = globalThis as unknown as Record<symbol, Verifier | undefined>;
  return (all[key] ??= createVerifier(options));
}
