import { expect, test } from "vitest";
import { createWrit } from "../src/index.ts";
import { World, issuer, type Tab } from "./world.ts";

// A person's browser with several tabs, and everything that can happen to them:
// answers that are lost or late, reloads in the middle of a refresh, frozen and
// hidden tabs, sleep, a clock that is set, a server that is down. The server is
// a model of its rotation function: a refresh token that is used when it
// shouldn't be ends the session, as it would outside.

const runs = 24;
const steps = 250;

/** Small random numbers that a seed repeats (mulberry32). */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Open {
  tab: Tab;
  writ: ReturnType<typeof createWrit>;
}

class Person {
  readonly world = new World();
  readonly pages: Open[] = [];
  readonly random: () => number;
  /** What no client may cause. */
  readonly wrong: string[] = [];
  signedOut = false;
  #down = false;

  constructor(seed: number, tabs: number, life: number) {
    this.random = seeded(seed);
    const { world } = this;
    world.random = this.random;
    world.server.life = life;
    world.withLocks = this.random() < 0.7;
    // A page that no other can tell how short a token's life is gives up after
    // ten seconds: too late where others can refresh twice in that time.
    world.withChannels = life < 15 || this.random() < 0.8;
    world.ticksInSleep = this.random() < 0.5;
    world.clockOff = (this.random() - 0.5) * 1_200_000;
    world.way = () => this.#way();
    world.server.begin(world.jar);
    for (let i = 0; i < tabs; i++) this.open();
  }

  pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.random() * all.length)]!;
  }

  #way() {
    const slow = this.random() < 0.05;
    const way = { there: 1 + this.random() * 40, back: 1 + this.random() * (slow ? 20_000 : 40) };
    if (this.#down) return { ...way, lost: "request" as const };
    return this.random() < 0.2 ? { ...way, lost: "answer" as const } : way;
  }

  open(): void {
    const tab = this.world.open();
    const writ = createWrit({ issuer }, tab);
    writ.onChange((user, reason) => {
      if (!user && !this.signedOut) this.wrong.push(`signed out: ${reason}`);
      if (user && this.signedOut) this.wrong.push("signed in after the sign-out");
    });
    this.pages.push({ tab, writ });
  }

  close(page: Open): void {
    page.tab.close();
    this.pages.splice(this.pages.indexOf(page), 1);
  }

  /** Does something, and lets time pass. */
  async step(): Promise<void> {
    const { world, random } = this;
    const page = this.pick(this.pages);
    const acts: (() => void)[] = [
      () => (this.close(page), this.open()), // a reload
      () => (this.close(page), this.open()),
      () => (page.tab.document.visibilityState === "hidden" ? page.tab.show() : page.tab.hide()),
      // A frozen page can't give up a request; browsers don't freeze one that has any.
      () => (page.tab.frozen = !page.tab.frozen && !page.tab.busy),
      () => page.tab.fire(this.pick(["focus", "online"])),
      () => page.tab.fire("pageshow", { persisted: true }),
      () => this.#sleep(random() < 0.3 ? 3_600_000 : 30_000),
      () => (world.clockOff = (random() - 0.5) * 1_200_000),
      () => (this.#down = random() < 0.3),
      () => void page.writ.fetch("/api/thing").catch(() => {}),
      () => void page.writ.fetch("/api/thing").catch(() => {}),
    ];
    this.pick(acts)();
    await world.run(random() < 0.5 ? random() * 200 : random() * 10_000);
  }

  #sleep(ms: number): void {
    this.world.sleep(ms);
    for (const { tab } of this.pages) tab.fire("focus");
  }

  /** All is well again: every page gets to know what is true. */
  async settle(): Promise<void> {
    this.#down = false;
    this.world.way = () => ({ there: 5, back: 5 });
    for (const { tab } of this.pages) {
      tab.frozen = false;
      tab.show();
      tab.fire("pageshow", { persisted: true });
    }
    await this.world.run(120_000);
  }
}

test("nobody is signed out by accident, and nothing loops", { timeout: 120_000 }, async () => {
  const verdicts: Record<string, number> = {};
  for (let seed = 1; seed <= runs; seed++) {
    const life = seed % 3 === 0 ? 5 : seed % 3 === 1 ? 60 : 900;
    const person = new Person(seed, 1 + (seed % 6), life);
    const { world } = person;
    let before = world.now();
    for (let i = 0; i < steps; i++) {
      world.seen = [];
      await person.step();
      // In so short a time no page has reason to ask more often than it may.
      const passed = world.now() - before;
      before = world.now();
      const most = person.pages.length * (3 + passed / 1000);
      expect(world.seen.length, `requests of step ${i}, seed ${seed}`).toBeLessThan(most);
    }
    await person.settle();
    expect({ seed, wrong: person.wrong }).toEqual({ seed, wrong: [] });
    for (const { writ } of person.pages) expect(writ.user?.email, `seed ${seed}`).toBe("alice@example.com");
    for (const [verdict, n] of Object.entries(world.server.verdicts)) verdicts[verdict] = (verdicts[verdict] ?? 0) + n;
  }
  // It was worth something: answers were lost, and tabs met.
  expect(verdicts.repeat).toBeGreaterThan(runs);
  expect(verdicts.recover).toBeGreaterThan(0);
  expect(verdicts.theft).toBeUndefined();
});

test("a sign-out wins over everything that is under way", { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= runs; seed++) {
    const person = new Person(seed, 1 + (seed % 6), 5);
    const { world } = person;
    for (let i = 0; i < 20; i++) await person.step();
    if (person.pages.every(({ tab }) => tab.frozen)) continue;
    const page = person.pages.find(({ tab }) => !tab.frozen)!;
    world.way = () => ({ there: 1 + person.random() * 100, back: 1 + person.random() * 100 });
    const refreshing = person.pages.filter(() => person.random() < 0.5);
    for (const { tab } of refreshing) tab.fire("pageshow", { persisted: true });
    await world.run(person.random() * 150);
    person.signedOut = true;
    const done = page.writ.signOut();
    await world.run(5000);
    await done;
    await person.settle();
    expect({ seed, wrong: person.wrong.filter((w) => !w.startsWith("signed in")) }).toEqual({ seed, wrong: [] });
    for (const { writ } of person.pages) expect(writ.user, `seed ${seed}`).toBeNull();
    world.seen = [];
    await world.run(600_000);
    expect(world.seen).toEqual([]);
  }
});
