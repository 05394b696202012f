import { stopwatch } from "./clock.ts";
import type { Answer } from "./issuer.ts";
import type { Channel, Platform } from "./platform.ts";
import type { Reason } from "./types.ts";

/**
 * What tabs tell each other; never a token. The answer of the server, which was
 * age milliseconds old at the time at; or the id of a session that is over; or
 * nothing, to be told who is signed in.
 */
type Message = [told?: Answer | string, reason?: Reason, age?: number, at?: number];

/** The other tabs of this browser that show pages of this origin. */
export interface Tabs {
  /** Asks who is signed in. */
  hello(): void;
  answer(answer: Answer, age: number, reason?: Reason): void;
  over(id: string, reason: Reason): void;
  close(): void;
}

/** What to do with what other tabs tell. */
export interface Heard {
  hello(): void;
  answer(answer: Answer, age: () => number, reason?: Reason): void;
  over(id: string, reason: Reason): void;
}

export function openTabs(p: Platform, name: string, heard: Heard): Tabs {
  let channel: Channel | undefined;
  const post = (...message: Message) => channel?.postMessage(message);
  try {
    // On a server an open channel would keep the process from ending.
    channel = p.document && new p.BroadcastChannel!(name);
    channel!.onmessage = ({ data: [told, reason, age, at] }: { data: Message }) => {
      if (age !== undefined) {
        // A tab that was frozen hears late: what it hears has aged on the way.
        const then = age + Math.max(0, p.Date.now() - at!);
        const since = stopwatch(p);
        heard.answer(told as Answer, () => then + since(), reason);
      } else if (told) heard.over(told as string, reason!);
      else heard.hello();
    };
  } catch {
    // There is none, or, as in Firefox where cookies are blocked, none for this page.
  }
  return {
    hello: post,
    // In the cookie modes the server puts no token into an answer.
    answer: (answer, age, reason) => post(answer, reason, age, p.Date.now()),
    over: post,
    close() {
      channel?.close();
      channel = undefined; // what is closed throws at who still says something
    },
  };
}
