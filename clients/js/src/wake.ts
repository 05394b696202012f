import type { Platform } from "./platform.ts";
import type { Refresher } from "./refresh.ts";
import type { Session } from "./session.ts";

/** Timers hold no more than 24 days, and stand still while the machine sleeps. */
const longest = 3_600_000;

export interface Wake {
  /** Sets the timer for the next refresh. */
  plan(): void;
  stop(): void;
}

/**
 * Makes what refreshes in time, and when the page wakes up. awake is called
 * then, with whether the page was frozen and so may have missed something.
 */
export function newWake(p: Platform, session: Session, refresher: Refresher, awake: (frozen: boolean) => void): Wake {
  const off = new AbortController();
  let { document } = p;
  let timer: unknown;

  /** How long until this page should refresh by itself, in milliseconds. */
  function left(): number {
    // A hidden page doesn't count: a forgotten tab would keep a session alive
    // that nobody uses.
    if (!document || (session.user && document.visibilityState === "hidden")) return Infinity;
    return Math.max(session.due - session.age(), refresher.wait());
  }

  function plan(): void {
    const delay = left();
    p.clearTimeout(timer);
    if (delay < Infinity) timer = p.setTimeout(() => (left() > 0 ? plan() : refresher.refresh()), Math.min(delay, longest));
  }

  function listen({ type, persisted }: Event & { persisted?: boolean }): void {
    if (type === "online") refresher.online();
    // After the back/forward cache: there no news from other tabs arrive.
    awake(!!persisted);
  }

  for (const type of ["visibilitychange", "focus", "online", "pageshow"]) p.addEventListener?.(type, listen, { signal: off.signal });
  return {
    plan,
    stop() {
      off.abort();
      document = undefined;
      plan();
    },
  };
}
