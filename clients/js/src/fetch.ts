import { stopwatch } from "./clock.ts";
import type { Platform } from "./platform.ts";
import type { Refresher } from "./refresh.ts";
import type { Session } from "./session.ts";

/** Makes the fetch that keeps the session's credentials fresh. */
export function newFetch(p: Platform, session: Session, refresher: Refresher, apis: readonly string[], on403?: boolean): typeof fetch {
  const pause = 30_000; // a refusal that comes again so soon after a refresh has other reasons
  let sinceRefusal = () => Infinity;
  let retry: Promise<void> | undefined;

  function send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const token = session.answer?.access_token;
    if (!token) return p.fetch(input, init);
    const headers = new Headers(init?.headers ?? (input as Request).headers);
    headers.get("Authorization") ?? headers.set("Authorization", "Bearer " + token);
    return p.fetch(input, { ...init, headers });
  }

  return async (input, init) => {
    const request = input as Partial<Request>;
    // Where fetch would go, which a <base> may say: once, as one may be put into the page while this waits.
    const url = new URL(request.url ?? (input as string), p.document?.baseURI ?? p.location?.href);
    const signal = init?.signal ?? request.signal;
    // Of other hosts this session is no business: they don't even get to see the token.
    if (!apis.includes(url.origin) || signal?.aborted) return p.fetch(input, init);
    // Who gives up waits for no refresh, which goes on for the others.
    const patiently = (work?: Promise<void>) => Promise.race([work, new Promise((resolve) => signal?.addEventListener("abort", resolve))]);
    if (!request.url) input = url;
    // The last tenth is left for the way to the API, and for its clock.
    if (!session.due || (session.answer && session.age() > session.life * 0.9)) await patiently(refresher.refresh());
    const { answer } = session;
    const response = await send(input, init);
    if (!answer || !expired(response, on403)) return response;
    if (answer === session.answer) {
      if (sinceRefusal() >= Math.min(pause, session.life)) {
        sinceRefusal = stopwatch(p);
        retry = refresher.refresh();
      }
      await patiently(retry);
    }
    // Without a newer token of the same person there is nothing to try; and a
    // stream is gone once it is sent.
    if (!signal?.aborted && (answer === session.answer || answer.user.id !== session.answer?.user.id || request.bodyUsed || (init?.body as ReadableStream | undefined)?.getReader)) return response;
    return send(input, init);
  };
}

/**
 * Whether the API says that the token has expired, or was revoked, or that none
 * came (RFC 6750, section 3.1): then the cookies may be gone, as after a new
 * password or a sign-out on a page of Writ's own.
 */
function expired({ status, headers }: Response, on403?: boolean): boolean | undefined {
  return (status === 401 && /^Bearer(?!.*error)|invalid_token/i.test(headers.get("WWW-Authenticate")!)) || (on403 && status === 403);
}
