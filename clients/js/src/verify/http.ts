/** What of the outside a verifier uses; tests give it others. */
export interface Outside {
  fetch: typeof fetch;
  now(): number;
  monotonic(): number;
}

export interface Fetched {
  status: number;
  headers: Headers;
  body: string;
}

/** How long an answer may take that nobody holds back, in milliseconds. */
export const patience = 10_000;

/**
 * After how long a question is given up that never ended, in milliseconds. Some
 * edge runtimes end what a request has begun together with the request, timers
 * and all, and nobody else would ever be answered.
 */
export const lost = 3 * patience;

/** An address that may be asked: https, or http on this machine. */
export function address(text: unknown): string {
  if (!URL.canParse(String(text))) throw new TypeError(`${JSON.stringify(text)} is no address, such as "https://auth.example.com"`);
  const url = new URL(String(text));
  if (url.username || url.password || url.hash) throw new TypeError("an address with a password or a fragment");
  const local = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname) || url.hostname.endsWith(".localhost");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && local)) throw new TypeError(`${JSON.stringify(text)} is neither https nor this machine`);
  return String(text);
}

/** Fetches a text of at most limit bytes. A redirect is an answer like any other: nobody follows it. */
export async function fetchText(outside: Outside, url: string, init: RequestInit, limit: number, ms = patience): Promise<Fetched> {
  const { signal, done } = deadline(ms, init.signal ?? undefined);
  try {
    const response = await outside.fetch(url, { redirect: "manual", credentials: "omit", cache: "no-store", ...init, signal });
    return { status: response.status, headers: response.headers, body: await readText(response, limit) };
  } finally {
    done();
  }
}

/** What a body says in JSON. */
export function json(url: string, body: string): any {
  try {
    return JSON.parse(body);
  } catch {
    throw new Error(`${url} answered with something else than JSON`);
  }
}

export async function readText(response: Response, limit: number): Promise<string> {
  let text = "";
  let size = 0;
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  if (!reader) return "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    if ((size += value.length) > limit) {
      await reader.cancel().catch(() => {});
      throw new Error("an answer that is too long");
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** A signal that fires after so long, unless it is done before, or when another does. */
export function deadline(ms: number, outer?: AbortSignal): { signal: AbortSignal; again(ms: number): void; done(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort(outer?.reason);
  if (outer?.aborted) abort();
  outer?.addEventListener("abort", abort, { once: true });
  const expire = () => controller.abort(new Error("no answer in time"));
  let timer = background(expire, ms);
  return {
    signal: controller.signal,
    again(ms) {
      clearTimeout(timer);
      timer = background(expire, ms);
    },
    done() {
      clearTimeout(timer);
      outer?.removeEventListener("abort", abort);
    },
  };
}

/** A timer that doesn't keep a process alive, where that can be said. */
export function background(work: () => void, ms: number): ReturnType<typeof setTimeout> {
  const timer = setTimeout(work, ms);
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

/** Sleeps, but not on once the signal has fired. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = background(wake, ms);
    signal.addEventListener("abort", wake, { once: true });
  });
}

/** How long to wait after so many failures in a row: 0.25 s, twice that and so on, less up to half by chance. */
export function backoff(failures: number, most = 8000): number {
  return Math.min(250 * 2 ** Math.min(failures - 1, 20), most) * (1 - Math.random() / 2);
}
