import type { Platform } from "./platform.ts";

const patience = 2000;

/**
 * Does work while no other tab does work under the same name; but without that
 * where there are no locks, and after two seconds: a tab that the browser froze
 * may hold the lock for hours. The server copes with two tabs that refresh at
 * once, so the lock only spares it some work.
 */
export async function underLock<T>(p: Platform, name: string, work: () => Promise<T>): Promise<T> {
  const waiting = new AbortController();
  const timer = p.setTimeout(() => waiting.abort(), patience);
  let begun: Promise<T> | undefined;
  const begin = () => {
    p.clearTimeout(timer);
    return (begun ??= work());
  };
  try {
    await p.navigator!.locks!.request(name, { signal: waiting.signal }, begin);
  } catch {
    // It wasn't to be had; what the work itself throws comes below.
  }
  return begin();
}
