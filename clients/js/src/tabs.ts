import { stopwatch } from "./clock.ts";
import type { Answer } from "./issuer.ts";
import type { Platform } from "./platform.ts";
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
  // On a server an open channel would keep the process from ending.
  const channel = p.document && p.BroadcastChannel && new p.BroadcastChannel(name);
  const post = (...message: Message) => channel?.postMessage(message);
  if (channel) {
    channel.onmessage = ({ data: [told, reason, age, at] }: { data: Message }) => {
      if (age !== undefined) {
        // A tab that was frozen hears late: what it hears has aged on the way.
        const then = age + Math.max(0, p.Date.now() - at!);
        const since = stopwatch(p);
        heard.answer(told as Answer, () => then + since(), reason);
      } else if (told) heard.over(told as string, reason!);
      else heard.hello();
    };
  }
  return {
    hello: post,
    // In the cookie modes the server puts no token into an answer.
    answer: (answer, age, reason) => post(answer, reason, age, p.Date.now()),
    over: post,
    close: () => channel?.close(),
  };
}
