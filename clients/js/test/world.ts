// A browser with tabs, a network and a server, on a clock that only the test
// moves. Everything that a tab sees of its browser comes from here.
import type { Channel, Platform } from "../src/platform.ts";
import { Server, type Jar } from "./server.ts";

export const issuer = "https://app.example";

export interface Request {
  method: string;
  origin: string;
  path: string;
  headers: Headers;
  body: Record<string, unknown> | undefined;
  credentials: string;
  jar: Jar;
  tab: Tab;
}

export interface Answered {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
  /** Set-Cookie; undefined clears. */
  cookies?: Record<string, { value: string; age: number } | undefined>;
}

/** What becomes of a request: milliseconds there and back; lost: the answer is. */
export interface Way {
  there: number;
  back: number;
  lost?: "answer" | "request";
}

interface Task {
  at: number;
  n: number;
  tab: Tab | undefined;
  work: () => void;
}

export class World {
  /** Runs on while the machine is awake. */
  awake = 1000;
  /** How long it slept. */
  slept = 0;
  /** How wrong the browser's clock is. */
  clockOff = 0;
  /** Whether performance.now() runs on in sleep: Windows does so, others don't. */
  ticksInSleep = false;
  random: () => number = () => 0;
  jar: Jar = new Map();
  tabs: Tab[] = [];
  server = new Server(() => this.now());
  /** Requests that the server received. */
  seen: Request[] = [];
  way: (request: Request) => Way = () => ({ there: 10, back: 10 });
  /** Answers in place of the server. */
  instead: (request: Request) => Answered | undefined = () => undefined;
  /** Whether the browser keeps cookies of the issuer. */
  keeps = true;
  withLocks = true;
  withChannels = true;
  /** Locks and channels are there, and throw: for a frame without an origin, or in Firefox where cookies are blocked. */
  insecure = false;
  #tasks: Task[] = [];
  #n = 0;
  held = new Map<string, { tab: Tab }>();
  waiting: { name: string; tab: Tab; taken: () => void; grant: () => void }[] = [];

  now(): number {
    return this.awake + this.slept;
  }

  /** The requests for a path since the last look, and forgets them. */
  take(path: string): Request[] {
    const taken = this.seen.filter((r) => r.path === path);
    this.seen = this.seen.filter((r) => r.path !== path);
    return taken;
  }

  open(): Tab {
    const tab = new Tab(this);
    this.tabs.push(tab);
    return tab;
  }

  later(ms: number, tab: Tab | undefined, work: () => void): Task {
    const task = { at: this.awake + Math.max(0, ms), n: this.#n++, tab, work };
    this.#tasks.push(task);
    return task;
  }

  drop(task: unknown): void {
    this.#tasks = this.#tasks.filter((t) => t !== task);
  }

  /** Lets time pass. */
  async run(ms: number): Promise<void> {
    const end = this.awake + ms;
    await settled();
    for (;;) {
      const next = this.#next();
      if (!next || next.at > end) break;
      this.drop(next);
      this.awake = Math.max(this.awake, next.at);
      if (!next.tab?.closed) next.work();
      await settled();
    }
    this.awake = end;
  }

  /** The machine sleeps: no timer runs, the server's time goes on. */
  sleep(ms: number): void {
    this.slept += ms;
  }

  #next(): Task | undefined {
    let first: Task | undefined;
    for (const t of this.#tasks) {
      if (t.tab?.frozen) continue;
      if (!first || t.at < first.at || (t.at === first.at && t.n < first.n)) first = t;
    }
    return first;
  }

  cookies(): Jar {
    for (const [name, c] of this.jar) if (c.expires <= this.now()) this.jar.delete(name);
    return new Map(this.jar);
  }

  release(name: string, tab: Tab): void {
    if (this.held.get(name)?.tab !== tab) return;
    this.held.delete(name);
    const next = this.waiting.find((w) => w.name === name && !w.tab.closed);
    if (!next) return;
    this.waiting = this.waiting.filter((w) => w !== next);
    this.held.set(name, { tab: next.tab });
    next.taken();
    this.later(0, next.tab, next.grant);
  }
}

/** Lets all promises settle. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Tab implements Platform {
  closed = false;
  frozen = false;
  /** Requests that are under way. */
  busy = 0;
  document = { visibilityState: "visible", baseURI: issuer + "/page" };
  location = { href: issuer + "/page" };
  performance = { now: () => this.world.awake + (this.world.ticksInSleep ? this.world.slept : 0) };
  Date = { now: () => this.world.now() + this.world.clockOff };
  Math = { random: () => this.world.random() };
  channels: TabChannel[] = [];
  navigator: NonNullable<Platform["navigator"]>;
  BroadcastChannel?: new (name: string) => Channel;
  #listeners = new Map<string, Set<(event: Event) => void>>();
  readonly world: World;

  constructor(world: World) {
    this.world = world;
    const tab = this;
    if (world.withChannels) {
      this.BroadcastChannel = class extends TabChannel {
        constructor(name: string) {
          if (world.insecure) throw insecure();
          super(tab, name);
        }
      };
    }
    this.navigator = world.withLocks ? { locks: { request: (name, options, work) => this.#lock(name, options.signal, work) } } : {};
  }

  setTimeout = (work: () => void, ms: number) => this.world.later(ms, this, work);
  clearTimeout = (timer: unknown) => this.world.drop(timer);

  addEventListener = (type: string, listener: (event: Event) => void, { signal }: { signal: AbortSignal }) => {
    const all = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, all.add(listener));
    signal.addEventListener("abort", () => all.delete(listener));
  };

  /** Fires an event of the window. */
  fire(type: string, more: object = {}): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ type, ...more } as unknown as Event);
  }

  hide(): void {
    this.document.visibilityState = "hidden";
    this.fire("visibilitychange");
  }

  show(): void {
    this.document.visibilityState = "visible";
    this.fire("visibilitychange");
  }

  /** The page goes away, with all that it had under way. */
  close(): void {
    this.closed = true;
    this.world.tabs = this.world.tabs.filter((t) => t !== this);
    for (const name of [...this.world.held.keys()]) this.world.release(name, this);
  }

  fetch = (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const given = input instanceof globalThis.Request ? input : undefined;
    const url = new URL(given?.url ?? String(input), this.document.baseURI);
    const signal = init.signal ?? given?.signal;
    this.busy++;
    return new Promise<Response>((resolve, reject) => {
      const fail = () => reject(new TypeError("Failed to fetch"));
      if (signal?.aborted) return fail();
      const request: Request = {
        method: init.method ?? given?.method ?? "GET",
        origin: url.origin,
        path: url.pathname,
        headers: new Headers(init.headers ?? given?.headers),
        body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
        credentials: init.credentials ?? "same-origin",
        jar: init.credentials === "omit" ? new Map() : this.world.cookies(),
        tab: this,
      };
      const { there, back, lost } = this.world.way(request);
      signal?.addEventListener("abort", fail);
      // The request is on its way, whatever becomes of its page.
      this.world.later(there, undefined, () => {
        if (lost === "request") return void this.world.later(back, this, fail);
        this.world.seen.push(request);
        const answered = this.world.instead(request) ?? (request.path.startsWith("/api") ? this.world.server.api(request) : this.world.server.answer(request));
        if (lost) return void this.world.later(back, this, fail);
        // The browser keeps the cookies as the answer comes in, also for a page
        // that is frozen; but no more for one that is gone or has given up.
        this.world.later(back, undefined, () => {
          if (signal?.aborted || this.closed) return;
          if (request.credentials !== "omit") this.#keep(answered.cookies ?? {});
          this.world.later(0, this, () => resolve(response(answered)));
        });
      });
    }).finally(() => this.busy--);
  };

  #keep(cookies: NonNullable<Answered["cookies"]>): void {
    const { jar, keeps } = this.world;
    if (!keeps) return;
    for (const [name, c] of Object.entries(cookies)) {
      if (c) jar.set(name, { value: c.value, expires: this.world.now() + c.age * 1000 });
      else jar.delete(name);
    }
  }

  #lock<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { world } = this;
    if (world.insecure) return Promise.reject(insecure());
    return new Promise((resolve, reject) => {
      const grant = () => {
        const done = work();
        done.then(resolve, reject);
        done.catch(() => {}).finally(() => world.release(name, this));
      };
      const taken = () => signal.removeEventListener("abort", stop);
      const waiter = { name, tab: this as Tab, taken, grant };
      const stop = () => {
        world.waiting = world.waiting.filter((w) => w !== waiter);
        reject(new Error("AbortError"));
      };
      if (world.held.has(name)) {
        world.waiting.push(waiter);
        signal.addEventListener("abort", stop);
        return;
      }
      world.held.set(name, { tab: this });
      world.later(0, this, grant);
    });
  }
}

const insecure = () => new DOMException("The operation is insecure.", "SecurityError");

class TabChannel implements Channel {
  closed = false;
  onmessage: ((event: MessageEvent) => void) | null = null;
  readonly tab: Tab;
  readonly name: string;

  constructor(tab: Tab, name: string) {
    this.tab = tab;
    this.name = name;
    tab.channels.push(this);
  }

  postMessage(message: unknown): void {
    if (this.closed) throw new DOMException("Channel is closed", "InvalidStateError");
    const data = structuredClone(message);
    for (const tab of this.tab.world.tabs) {
      for (const channel of tab.channels) {
        if (channel !== this && channel.name === this.name) {
          this.tab.world.later(2, tab, () => channel.onmessage?.({ data } as MessageEvent));
        }
      }
    }
  }

  close(): void {
    this.closed = true;
    this.onmessage = null;
  }
}

function response({ status, body, headers }: Answered): Response {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { status, ok: status < 300, headers: new Headers(headers), text: async () => text, json: async () => JSON.parse(text), body: null } as unknown as Response;
}
