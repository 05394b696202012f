import type { Issuer } from "./discovery.ts";
import { events } from "./events.ts";
import { address, backoff, deadline, fetchText, patience, readText, sleep, type Outside } from "./http.ts";
import { KeySet } from "./keys.ts";
import { BehindError, RevocationLog } from "./log.ts";
import { decodePage, kinds, LogError, maxBytes, signedPart, type Page } from "./page.ts";

export interface FollowOptions {
  maxStale: number; // milliseconds, as the leeway
  leeway: number;
  /** Where the log is, instead of where the issuer says: a relay, which needs no trust. */
  url: string | undefined;
  /** Told of what is wrong when it begins, and with undefined when it is over. */
  onTrouble: (error: unknown) => void;
  /**
   * Told when signing keys are new: of a restored server, which has another log,
   * or after one was revoked. A token that names one of them would else be refused
   * if somebody has just made the verifier ask for a key that doesn't exist.
   */
  onOtherKeys: () => void;
}

/** What a stream must have lasted to be worth having, and for how long there is none after three that didn't. */
const [longEnough, withoutStreams] = [5000, 600_000];

/** The longest an answer is held back. */
const longestPoll = 25_000;

const refused = (status: number) => Object.assign(new LogError(`the log answered ${status}`), { status });

/** Keeps a {@link RevocationLog} up to date: by a stream of events, or by polling where streams fail. */
export class Follower {
  readonly log: RevocationLog;
  readonly #issuer: Issuer;
  readonly #outside: Outside;
  readonly #options: FollowOptions;
  readonly #keys: KeySet;
  readonly #stop = new AbortController();
  #arrived!: () => void;
  /** Resolves when the log is fresh for the first time. */
  readonly ready = new Promise<void>((resolve) => (this.#arrived = resolve));
  #failures = 0;
  #told = false; // of trouble
  /** Why the log couldn't be had the last time; undefined: it could. */
  trouble: unknown;
  #question: { at: number; answered: Promise<void> } | undefined;
  #short = 0; // streams in a row that soon ended
  #streamFrom = 0; // by the machine's count
  #pruned = 0;
  #name = ""; // of the log

  constructor(issuer: Issuer, options: FollowOptions, background: boolean) {
    this.#issuer = issuer;
    this.#outside = issuer.outside;
    this.#options = options;
    if (options.url) address(options.url);
    this.#keys = new KeySet(issuer.outside, () => this.#logKeys(), {
      algorithms: ["EdDSA", "Ed25519"],
      maxAge: 60_000,
      maxStale: 86_400_000,
      cooldown: 1000, // an issuer whose keys leaked replaces them at once
      maxWait: patience,
      background,
    });
    this.log = new RevocationLog(issuer.outside, options.maxStale, options.leeway, (page) => this.#signed(page));
  }

  stop(): void {
    this.#stop.abort(new Error("disposed"));
  }

  /** Follows until it is stopped. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#step();
        this.#recovered();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof BehindError && this.log.fresh) {
          await this.#pause(); // somebody may repeat an old answer without end
          continue;
        }
        this.#failures++;
        this.#failed(error);
        if (this.#failures % 3 === 0) this.#issuer.forget();
        // While the log is fresh still, an answer soon enough means that nobody has noticed anything.
        await sleep(backoff(this.#failures, this.log.fresh ? Math.min(8000, this.#options.maxStale / 8) : 8000), signal);
      }
    }
  }

  /**
   * Asks once, for those who follow nothing in the background, and for all who
   * come while a question is under way that is no older than since. It doesn't
   * reject: see trouble.
   */
  async ask(ms: number, since: number): Promise<void> {
    const now = this.#outside.monotonic();
    if (!this.#question || now - this.#question.at > since) this.#question = { at: now, answered: this.#ask(ms) };
    const question = this.#question;
    // Some runtimes end what a request has begun together with the request, and
    // then nobody would answer the others.
    let timer;
    await Promise.race([question.answered, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
    clearTimeout(timer);
    if (this.#question === question) this.#question = undefined;
  }

  async #ask(ms: number): Promise<void> {
    try {
      do await this.#poll(0, ms);
      while (!this.log.complete);
      this.#prune();
      this.#recovered();
    } catch (error) {
      // A failed question changes nothing while what is known is fresh.
      if (!this.log.fresh) this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.trouble = error;
    if (this.#told) return;
    this.#told = true;
    this.#options.onTrouble(error);
  }

  async #step(): Promise<void> {
    this.#prune();
    // Only who is up to date lets an answer be held back.
    if (!this.log.complete || !this.log.fresh) return this.#poll(0, patience);
    const begun = this.#outside.monotonic();
    try {
      if (begun >= this.#streamFrom) return await this.#stream(begun);
      const before = this.log.after;
      await this.#poll(Math.min(longestPoll, this.#options.maxStale / 3));
      if (this.log.after > before) return;
    } catch (error) {
      if ((error as { status?: number }).status !== 503) throw error;
      // No place for one more to wait. What there is can be had all the same.
      this.#streamFrom = begun + 30_000;
      await this.#poll(0, patience);
    }
    await this.#pause(this.#outside.monotonic() - begun);
  }

  /** Keeps a server from being asked without end that holds nothing back. */
  #pause(since = 0): Promise<void> {
    return sleep(Math.min(1000, this.#options.maxStale / 4) - since, this.#stop.signal);
  }

  async #poll(wait: number, ms = wait + Math.max(this.#options.maxStale / 3, 1000)): Promise<void> {
    const url = await this.#address(wait);
    const { status, body } = await fetchText(this.#outside, url, { headers: { Accept: "application/json" }, signal: this.#stop.signal }, maxBytes, ms);
    if (status !== 200) throw refused(status);
    await this.#take(body);
  }

  async #stream(begun: number): Promise<void> {
    const quiet = Math.max(this.#options.maxStale / 3, 3000);
    const limit = deadline(quiet * 2, this.#stop.signal);
    let last = begun;
    try {
      const url = await this.#address(0);
      const init: RequestInit = { headers: { Accept: "text/event-stream, application/json;q=0.5" }, redirect: "manual", credentials: "omit", cache: "no-store", signal: limit.signal };
      const response = await this.#outside.fetch(url, init);
      if (response.status !== 200) {
        await response.body?.cancel();
        throw refused(response.status);
      }
      if (!response.body || !/^text\/event-stream\b/i.test(response.headers.get("Content-Type") ?? "")) {
        this.#streamFrom = begun + withoutStreams;
        return await this.#take(await readText(response, maxBytes));
      }
      limit.again(quiet);
      for await (const data of events(response.body)) {
        try {
          await this.#take(data);
        } catch (error) {
          if (!(error instanceof BehindError)) throw error;
          continue; // keeps no stream alive
        }
        limit.again(quiet);
        last = this.#outside.monotonic();
        this.#recovered();
        this.#prune();
      }
    } catch (error) {
      if (error instanceof LogError) throw error;
      // The network's end of a stream is none of the log's.
      if (last === begun) throw error;
    } finally {
      limit.done();
      if (last > begun || limit.signal.aborted) this.#ended(last - begun);
    }
    await sleep(Math.random() * 100, this.#stop.signal); // a server that comes back meets its followers one after the other
  }

  /** Notes for how long a stream brought something: some proxies hold it back, others cut it. */
  #ended(lasted: number): void {
    const now = this.#outside.monotonic();
    this.#short = lasted >= longEnough ? 0 : this.#short + 1;
    if (!this.#short) return;
    this.#streamFrom = now + (this.#short >= 3 ? withoutStreams : 1000);
    if (this.#short >= 3) this.#short = 0;
  }

  async #address(wait: number): Promise<string> {
    const url = new URL(this.#options.url ?? (await this.#issuer.document).log ?? missing("revocation log"));
    url.searchParams.set("after", String(this.log.after));
    if (wait) url.searchParams.set("wait", `${Math.round(wait)}ms`);
    return url.href;
  }

  async #logKeys(): Promise<string> {
    return (await this.#issuer.document).logKeys ?? missing("keys of its log");
  }

  async #signed(page: Page): Promise<boolean> {
    const found = (await this.#keys.find("EdDSA", page.key)) ?? (await this.#keys.find("Ed25519", page.key));
    return !!found && crypto.subtle.verify("Ed25519", found.key, page.sig, signedPart(page));
  }

  async #take(body: string): Promise<void> {
    const page = decodePage(body);
    const first = !this.log.complete; // what was revoked before this process began says nothing new
    await this.log.apply(page);
    const replaced = !first && page.entries.some(({ kind }) => kind === kinds.key);
    if (replaced || (this.#name && this.#name !== page.log)) this.#options.onOtherKeys();
    this.#name = page.log;
    if (this.log.fresh) this.#arrived();
  }

  #recovered(): void {
    if (!this.log.fresh) return;
    this.#failures = 0;
    this.trouble = undefined;
    if (!this.#told) return;
    this.#told = false;
    this.#options.onTrouble(undefined);
  }

  #prune(): void {
    const now = this.#outside.monotonic();
    if (now - this.#pruned < 60_000) return;
    this.#pruned = now;
    this.log.prune();
  }
}

function missing(what: string): never {
  throw new LogError(`the issuer names no ${what}`);
}
