import { stopwatch } from "./clock.ts";
import type { Platform } from "./platform.ts";
import type { Refresher } from "./refresh.ts";
import type { Session } from "./session.ts";

/** A refusal that comes again so soon after a refresh has other reasons. */
const pause = 30_000;

/** Makes the fetch that keeps the session's credentials fresh. */
export function newFetch(p: Platform, session: Session, refresher: Refresher, apis: readonly string[], on403?: boolean): typeof fetch {
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
    // Of other hosts this session is no business: they don't even get to see the token.
    if (!apis.includes(url.origin)) return p.fetch(input, init);
    if (!request.url) input = url;
    // The last tenth is left for the way to the API, and for its clock.
    if (!session.due || (session.answer && session.age() > session.life * 0.9)) await refresher.refresh();
    const { answer } = session;
    const response = await send(input, init);
    if (!answer || !expired(response, on403)) return response;
    if (answer === session.answer) {
      if (sinceRefusal() >= Math.min(pause, session.life)) {
        sinceRefusal = stopwatch(p);
        retry = refresher.refresh();
      }
      await retry;
    }
    // Without a newer token of the same person there is nothing to try; and a
    // stream is gone once it is sent.
    if (answer === session.answer || answer.user.id !== session.answer?.user.id || request.bodyUsed || (init?.body as ReadableStream | undefined)?.getReader) return response;
    response.body?.cancel();
    return send(input, init);
  };
}

/** Whether the API says that the token has expired, or was revoked (RFC 6750, section 3.1). */
function expired({ status, headers }: Response, on403?: boolean): boolean | undefined {
  return (status === 401 && /error="?invalid_token/.test(headers.get("WWW-Authenticate") ?? "")) || (on403 && status === 403);
}
