import { stopwatch } from "./clock.ts";
import type { Answer } from "./issuer.ts";
import type { Platform } from "./platform.ts";
import type { Listener, Reason, User } from "./types.ts";

/**
 * What this tab knows of the session. No object that the page can reach leads
 * to it, and so to the tokens of token mode.
 */
export interface Session {
  user: User | null | undefined;
  /**
   * The last answer of the server, as long as somebody is signed in. Another
   * object means another access token.
   */
  answer: Answer | undefined;
  /** How long the access token lives, and how old it is, in milliseconds. */
  life: number;
  age(): number;
  /** The age at which the server is asked again; 0: now, since nothing is sure. */
  due: number;
  ready: Promise<User | null>;
  listeners: Set<Listener>;

  /**
   * Takes over what the server answered, age milliseconds after it was asked:
   * so a slow answer makes the token seem older than it is, never younger. It
   * reports false for a session that this browser has signed out of: an answer
   * that was overtaken by the sign-out must not bring it back.
   */
  accept(answer: Answer, age: () => number, reason?: Reason): boolean;
  /** Forgets a session, by default the current one, for good. */
  end(reason: Reason, id?: string): void;
}

/** planned is called when the session is due at another time. */
export function newSession(p: Platform, planned: () => void): Session {
  const ended = new Set<string | undefined>();
  let known: (user: User | null) => void;

  function change(user: User | null, reason: Reason): void {
    planned();
    if (JSON.stringify(user) === JSON.stringify(session.user)) return;
    session.user = user;
    known(user);
    // In a microtask, where a listener that throws breaks nothing of ours.
    for (const listener of session.listeners) queueMicrotask(() => listener(user, reason));
  }

  const session: Session = {
    user: undefined,
    answer: undefined,
    life: Infinity,
    age: stopwatch(p),
    due: 0,
    ready: new Promise((resolve) => (known = resolve)),
    listeners: new Set(),
    accept(answer, age, reason = "updated") {
      if (ended.has(answer.session_id)) {
        if (!session.answer) session.end("signed_out");
        return false;
      }
      session.answer = answer;
      session.life = answer.expires_in * 1000;
      session.age = age;
      // Well before the expiry, so that there is time for a second try; with
      // jitter, so that of many tabs one is first and spares the others.
      session.due = session.life * (answer.refresh_expires_in ? 0.7 + 0.15 * p.Math.random() : 1);
      change(answer.user, reason);
      return true;
    },
    end(reason, id) {
      const current = session.answer?.session_id;
      ended.add(id ??= current);
      if (id !== current) return;
      session.answer = undefined;
      session.due = Infinity;
      change(null, reason);
    },
  };
  return session;
}
