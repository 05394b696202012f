import { stopwatch } from "./clock.ts";
import { over, type WritError } from "./error.ts";
import type { Answer, Call } from "./issuer.ts";
import type { Platform } from "./platform.ts";
import type { Session } from "./session.ts";
import type { Reason, User } from "./types.ts";

export interface Refresher {
  /**
   * Refreshes, unless one has just failed; all who ask at the same time share
   * one request. It never rejects: what came of it is in the session.
   */
  refresh(): Promise<void> | undefined;
  /**
   * Gives up the refresh under way; its answer counts no more. With the age of
   * an answer that another tab was given: only if that was asked for later.
   */
  cancel(age?: number): void;
  /** How long until the next refresh may begin, in milliseconds, after failures. */
  wait(): number;
  /** The network is back: a failure from before says nothing about now. */
  online(): void;
}

export interface Surroundings {
  call: Call;
  session: Session;
  /** Does work while no other tab does, if that can be had. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  audience: string | undefined;
  /** Called with each answer, to be accepted and told to the other tabs. */
  accepted(answer: Answer, age: () => number): void;
  /** Called when the server said that the session is over. */
  ended(reason: Reason): void;
  /** Called after each refresh, whatever became of it. */
  done(): void;
}

/** Makes what refreshes, one at a time, and judges what comes of it. */
export function newRefresher(p: Platform, { call, session, alone, audience, accepted, ended, done }: Surroundings): Refresher {
  const second = 1000;
  const longest = 10_000; // a refresh may take
  const glance = 250;
  // The news of another tab may take so long to arrive: that it has just
  // refreshed, or, as this page loads, that somebody is signed in.
  const hearing = 50;
  const recheck = 300; // seconds after which a session is looked at that can't be refreshed
  let flight: Promise<void> | undefined;
  let abort: AbortController | undefined; // of the refresh under way, unless it was given up
  let failures = 0;
  let pause = 0;
  let sinceFailure = () => 0;
  let asked = () => 0;

  const wait = () => pause - sinceFailure();

  async function attempt(): Promise<void> {
    const before = session.answer;
    const mine = (abort = new AbortController());
    // While this tab waits another may refresh or sign out: then there is
    // nothing more to do, and a refusal says nothing about the newer session.
    const current = () => abort === mine && session.answer === before;
    await alone(async () => {
      if (current()) await new Promise<void>((resolve) => p.setTimeout(resolve, hearing));
      if (!current()) return;
      asked = stopwatch(p);
      // An answer later than that could overtake the newer cookies of another
      // tab. One long timer would not notice that the machine slept meanwhile.
      let timer: unknown;
      const watch = () => {
        if (asked() < Math.min(longest, session.life * 0.75)) timer = p.setTimeout(watch, glance);
        else mine.abort();
      };
      watch();
      try {
        // Not keepalive: the cookies of an answer that outlives its page could overtake newer ones.
        const answer = await ask(mine.signal);
        failures = pause = 0;
        if (abort === mine) accepted(answer, asked);
      } catch (error) {
        if (current()) judge(error as WritError);
      }
      p.clearTimeout(timer);
    });
  }

  async function ask(signal: AbortSignal): Promise<Answer> {
    try {
      return await call("refresh", { refresh_token: session.answer?.refresh_token, audience }, { signal });
    } catch (error) {
      if ((error as WritError).code !== "unauthenticated") throw error;
      // There is no refresh token, or none that reaches the server. Where the
      // server issues none a session may live on until its access token expires.
      const { session_id, permissions: _, ...user } = await call<Me>("me", undefined, { signal });
      return { user, session_id, expires_in: recheck };
    }
  }

  function judge(error: WritError): void {
    if (over(error)) return ended(error.code as Reason);
    // Offline, a server that is busy or restarting, a proxy's answer: none of
    // that says that the session is over.
    pause = second * (1 + p.Math.random()) * (error.retryAfter || Math.min(2 ** failures++, 16));
    sinceFailure = stopwatch(p);
  }

  return {
    refresh: () =>
      (flight ??=
        wait() > 0
          ? undefined
          : attempt().finally(() => {
              flight = undefined;
              done();
            })),
    cancel(age = 0) {
      if (age > asked()) return;
      abort?.abort();
      abort = undefined;
    },
    wait,
    online() {
      pause = 0;
    },
  };
}

type Me = User & { session_id: string; permissions: unknown };
