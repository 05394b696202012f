import { encode64, type Bytes } from "./bytes.ts";
import { chainAfter, chainStart, lastOf, LogError, type Page } from "./page.ts";

/** What clocks may differ, whatever the leeway. */
export const tolerance = 5000;

/** How much later than maxStale a state is given up by the machine's own count. */
const overdue = 1000;

/** An older answer than the one that is known: no harm, and no news. */
export class BehindError extends LogError {}

export interface LogClock {
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds of a clock that nobody sets. */
  monotonic(): number;
}

interface Position {
  readonly log: string; // "" before the first page
  readonly after: number; // all entries up to here are in, or staged
  readonly chain: Bytes | undefined; // after them
  readonly timeMs: number; // of the newest head
  readonly staged: Map<string, number> | undefined; // what no head covers yet
  readonly stagedBlind: number;
  readonly complete: boolean; // and that was the head
}

const start: Position = { log: "", after: 0, chain: undefined, timeMs: 0, staged: undefined, stagedBlind: 0, complete: false };

/**
 * The revocations in force, as far as signed heads vouch for them. Whoever passes
 * pages on is believed in nothing: entries count when the chain over them ends in
 * a head that a log key has signed, and a head makes it fresh only as of the time
 * that was signed with it.
 */
export class RevocationLog {
  #position = start;
  #entries = new Map<string, number>(); // name → unix seconds until which to keep it
  #fresh: { at: number; monotonic: number; age: number } | undefined;
  #blind = 0; // unix seconds until which an entry of an unknown critical kind is in force
  readonly #clock: LogClock;
  readonly #maxStale: number;
  readonly #maxSkew: number;
  readonly #signed: (page: Page) => Promise<boolean>;

  /** Times in milliseconds. signed reports whether a log key has signed a page's head. */
  constructor(clock: LogClock, maxStale: number, leeway: number, signed: (page: Page) => Promise<boolean>) {
    this.#clock = clock;
    this.#maxStale = maxStale;
    this.#maxSkew = Math.max(leeway, tolerance);
    this.#signed = signed;
  }

  /** The number after which to ask. */
  get after(): number {
    return this.#position.after;
  }

  /** Whether everything up to a head is here. */
  get complete(): boolean {
    return this.#position.complete;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Whether the log's silence about a token means anything. */
  get fresh(): boolean {
    const { age, running } = this.#ages();
    // An age below zero is a clock that was set back: of no use either.
    return age <= this.#maxStale && age >= -this.#maxSkew && running <= this.#maxStale + overdue && this.#clock.now() / 1000 > this.#blind;
  }

  /** How old what is known is, in milliseconds; Infinity if it never was complete. */
  get age(): number {
    return this.#ages().age;
  }

  #ages(): { age: number; running: number } {
    if (!this.#fresh) return { age: Infinity, running: Infinity };
    const { at, monotonic, age } = this.#fresh;
    return { age: this.#clock.now() - at, running: this.#clock.monotonic() - monotonic + age };
  }

  /** Whether one of the names was revoked. */
  revoked(names: readonly string[]): boolean {
    return names.some((name) => this.#entries.has(name));
  }

  /** Drops what has expired. */
  prune(): void {
    const over = this.#over(this.#position.timeMs);
    for (const [name, expiry] of this.#entries) if (expiry < over) this.#entries.delete(name);
  }

  /** Up to when entries are over, in unix seconds: by our clock and by the signed one, as ours may leap forward, and back. */
  #over(timeMs: number): number {
    return (Math.min(this.#clock.now(), timeMs) - this.#maxSkew) / 1000;
  }

  /** Takes a page over, or throws a LogError, and then at most forgets where it was. */
  async apply(page: Page): Promise<void> {
    const before = this.#position;
    if (!(await this.#signed(page))) throw new LogError("the head isn't signed by the log key that it names");
    if (Math.abs(this.#clock.now() - page.timeMs) > this.#maxSkew) throw new LogError("its clock and ours are too far apart");
    const [from, after] = await Promise.all([before.after ? before.chain! : chainStart(page.log), page.entries.length ? chainAfter(page) : page.chain]);
    // Of answers that were under way together the first counts.
    if (this.#position !== before) throw new BehindError("another answer came first");
    this.#connect(page, from);
    if (!page.more && !equal(after, page.chain)) throw this.#restart("the entries aren't those that the head is about");
    this.#take(page, after);
    if (!page.more) this.#arrive(page);
  }

  /** Refuses a page that doesn't go on where the last one ended. */
  #connect(page: Page, chain: Bytes): void {
    const { log, after, timeMs } = this.#position;
    if (log && page.log !== log) throw this.#restart("another log");
    if (page.head < after) {
      // A node may have read the database a moment before another, and anybody
      // may pass an old answer on; a lower number that stays is another history.
      if (page.timeMs <= timeMs + tolerance) throw new BehindError("an older state than the one that is known");
      throw this.#restart("the log was set back");
    }
    const next = page.entries[0]?.seq ?? page.head + 1;
    if (next === after + 1) {
      if (!equal(page.entries.length ? page.prev : page.chain, chain)) throw this.#restart("the chain is broken");
    } else if (next !== page.first || next <= after) {
      throw new BehindError("the answer doesn't go on where the last one ended");
    } // else: what is left out is over, which the head says and covers
  }

  #take(page: Page, chain: Bytes): void {
    const { staged, stagedBlind, timeMs } = this.#position;
    const over = this.#over(page.timeMs);
    const target = page.more || staged ? (staged ?? new Map<string, number>()) : this.#entries;
    let blind = stagedBlind;
    for (const { kind, hash, expiry } of page.entries) {
      const until = expiry || Infinity;
      if (kind >= 1 && kind <= 4) {
        if (until >= over) put(target, encode64(hash), until);
      } else if (kind < 128) blind = Math.max(blind, until);
    }
    if (!page.more) {
      if (target !== this.#entries) for (const [name, until] of target) put(this.#entries, name, until);
      this.#blind = Math.max(this.#blind, blind);
    }
    this.#position = {
      log: page.log,
      after: lastOf(page),
      chain,
      timeMs,
      complete: !page.more,
      staged: page.more ? target : undefined,
      stagedBlind: page.more ? blind : 0,
    };
  }

  #arrive(page: Page): void {
    const { timeMs } = this.#position;
    if (page.timeMs <= timeMs) {
      if (!this.fresh) throw new BehindError("an answer that came before");
      return;
    }
    this.#position = { ...this.#position, timeMs: page.timeMs };
    const now = this.#clock.now();
    // The head's time counts, not that of its arrival: what somebody holds back
    // or repeats grows old on the way.
    const at = Math.min(page.timeMs + tolerance, now);
    this.#fresh = { at, monotonic: this.#clock.monotonic(), age: now - at };
    if (!this.fresh) throw new LogError("an entry of an unknown critical kind");
  }

  /** Has the log loaded from its beginning. What was revoked stays so until it expires. */
  #restart(why: string): LogError {
    this.#position = { ...start, timeMs: this.#position.timeMs };
    this.#fresh = undefined;
    return new LogError(why + ": loading it from the start");
  }
}

function put(map: Map<string, number>, name: string, until: number): void {
  map.set(name, Math.max(until, map.get(name) ?? 0));
}

function equal(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
