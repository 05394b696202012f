import { stopwatch } from "./clock.ts";
import { over, WritError } from "./error.ts";
import { newFetch } from "./fetch.ts";
import { newCall, type Answer } from "./issuer.ts";
import { underLock } from "./lock.ts";
import type { Platform } from "./platform.ts";
import { newRefresher } from "./refresh.ts";
import { newSession } from "./session.ts";
import { openTabs } from "./tabs.ts";
import type { Credentials, Options, Reason, User, Writ } from "./types.ts";
import { newWake } from "./wake.ts";

/**
 * Makes the client; a page needs one. In the cookie modes it restores the
 * session as the page loads, from another tab or from the server.
 *
 * @param p for tests: where everything of the browser is taken from.
 */
export function createWrit(options: Options, p: Platform = globalThis as unknown as Platform): Writ {
  const { mode = "cookie", audience, refreshOn403 } = options;
  const origin = (url: string) => new URL(url, p.location?.href).origin;
  const issuer = origin(options.issuer);
  const apis = (options.apis ?? [p.location?.href ?? issuer, issuer]).map(origin);
  const cookies = mode !== "token";
  const name = `writ ${mode} ${issuer}`;
  const call = newCall(p, issuer, cookies);
  const session = newSession(p, plan);

  /** Counts the sign-outs asked for in this tab. */
  let departures = 0;
  /** A sign-out that the server doesn't know of yet. */
  let owed: Partial<Answer> | undefined;
  /** The sign-in or sign-out under way: one after the other, as they were asked for. */
  let last: Promise<unknown> = Promise.resolve();

  const tabs = openTabs(p, name, {
    hello() {
      // Asked in the cookie modes, where tabs share one session; in token mode by who is after the tokens.
      if (cookies && session.answer) tabs.answer(session.answer, session.age());
    },
    answer(answer, age, reason) {
      const known = session.answer;
      const same = known?.session_id === answer.session_id;
      if (same && session.life - session.age() >= answer.expires_in * 1000 - age()) return;
      // The cookies are newer now than those that an earlier request will get.
      refresher.cancel(known && !same ? 0 : age());
      session.accept(answer, age, reason);
    },
    over(id, reason) {
      // In token mode tabs have sessions of their own, but a person who signs out means all of them.
      if (!cookies && session.user) signOut().catch(() => {});
      if (id === session.answer?.session_id) refresher.cancel();
      session.end(reason, id);
    },
  });

  const refresher = newRefresher(p, {
    call,
    session,
    audience,
    alone,
    accepted,
    ended(reason) {
      if (cookies) tell(reason);
      session.end(reason);
    },
    done: plan,
  });

  const wake = newWake(p, session, refresher, (frozen) => {
    if (frozen && (cookies || session.user)) session.due = 0;
    inOrder(settle).catch(() => {});
    plan();
  });

  function plan(): void {
    wake.plan();
  }

  function alone<T>(work: () => Promise<T>): Promise<T> {
    return underLock(p, name, work);
  }

  function inOrder<T>(work: () => Promise<T>): Promise<T> {
    const next = last.then(work);
    last = next.catch(() => {});
    return next;
  }

  /** Tells the other tabs that the session is over. */
  function tell(reason: Reason): void {
    if (session.answer) tabs.over(session.answer.session_id, reason);
  }

  function accepted(answer: Answer, age: () => number, reason?: Reason): void {
    if (session.accept(answer, age, reason) && cookies) tabs.answer(answer, age(), reason);
  }

  function signIn(credentials: Credentials): Promise<User> {
    const before = departures;
    refresher.cancel();
    return inOrder(() =>
      alone(async () => {
        const age = stopwatch(p);
        const answer = await call<Answer>("login", { ...credentials, mode, audience });
        if (before !== departures) {
          owed = answer;
          await settle();
          throw new WritError("signed_out");
        }
        if (cookies && !audience) {
          // Browsers may drop cookies without a word, above all those of another host.
          await call("me").catch((error: WritError) => {
            throw error.code === "unauthenticated" ? new WritError("cookies_blocked") : error;
          });
        }
        accepted(answer, age, "signed_in");
        return answer.user;
      }),
    ).finally(plan); // what a sign-in interrupted that failed
  }

  function signOut(): Promise<void> {
    owed = session.answer ?? {};
    leave();
    return inOrder(settle);
  }

  /** Tells the server of a sign-out. */
  async function settle(): Promise<void> {
    if (!owed || (cookies && session.user)) return; // the cookies are a new session's
    const { session_id, refresh_token } = owed;
    if (cookies || refresh_token) {
      await call("logout", refresh_token ? { refresh_token } : undefined, { keepalive: true }).catch((error: WritError) => {
        if (!over(error)) throw error;
      });
    }
    owed = undefined;
    if (session_id) tabs.over(session_id, "signed_out"); // again, for a tab whose refresh was answered in between
  }

  function leave(): void {
    departures++;
    refresher.cancel();
    tell("signed_out");
    session.end("signed_out");
  }

  function signOutEverywhere(): Promise<void> {
    return inOrder(() =>
      alone(async () => {
        refresher.cancel();
        // Only a token for Writ itself will do, or one that lasts as long as its session.
        const answer: Partial<Answer> = session.answer ?? {};
        Object.assign(answer, await call("refresh", { refresh_token: answer.refresh_token, audience: issuer }).catch(() => {}));
        try {
          await call("logout-all", undefined, cookies ? {} : { headers: { Authorization: "Bearer " + answer.access_token } });
        } catch (error) {
          session.due = 0; // the token is for another API now
          throw error;
        }
        leave();
      }),
    ).finally(plan);
  }

  if (!cookies) session.end("unauthenticated");
  else tabs.hello();
  plan();

  return {
    get user() {
      return session.user;
    },
    ready: session.ready,
    signIn,
    signOut,
    signOutEverywhere,
    async refresh() {
      await refresher.refresh();
      return session.user;
    },
    fetch: newFetch(p, session, refresher, apis, refreshOn403),
    onChange(listener) {
      session.listeners.add(listener);
      return () => session.listeners.delete(listener);
    },
    dispose() {
      wake.stop();
      tabs.close();
      refresher.cancel();
      apis.length = 0; // fetch now leaves requests alone
    },
  };
}
