import { expect, test } from "vitest";
import { alice, load, outcome, signedIn } from "./page.ts";
import { World } from "./world.ts";

const minute = 60_000;

test("a tab that is opened later is told by one that is there", async () => {
  const { world, writ } = await signedIn();
  const later = load(world);
  await world.run(100);
  expect(later.writ.user).toEqual(writ.user);
  expect(world.seen).toEqual([]);
});

test("what a tab was told is as old as it was", async () => {
  const { world, tab } = await signedIn();
  await world.run(10 * minute);
  const later = load(world);
  await world.run(100);
  tab.close();
  expect(world.take("/v1/refresh")).toHaveLength(0);
  await world.run(minute); // past 10.5 minutes
  expect(later.writ.user).toBeTruthy();
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("tabs that are due at the same moment ask once", async () => {
  const { world } = await signedIn();
  for (let i = 0; i < 5; i++) load(world);
  await world.run(11 * minute); // without jitter, since random is 0
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("a tab that refreshed spares the others", async () => {
  const { world } = await signedIn();
  const randoms = [0.1, 0.9, 0.4, 0.7];
  world.random = () => randoms.pop() ?? 0.5;
  for (let i = 0; i < 4; i++) load(world);
  await world.run(60 * minute);
  const asked = world.take("/v1/refresh").length;
  expect(asked).toBeGreaterThanOrEqual(4); // 60 / (0.85 × 15)
  expect(asked).toBeLessThanOrEqual(6); // 60 / (0.7 × 15)
});

test("twenty tabs that a browser restores at once ask once", async () => {
  const world = new World();
  world.server.begin(world.jar);
  const pages = Array.from({ length: 20 }, () => load(world));
  await world.run(500);
  expect(pages.map((p) => p.writ.user?.email)).toEqual(Array(20).fill("alice@example.com"));
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("a frozen tab that hears late knows how late", async () => {
  const { world, tab, writ } = await signedIn();
  const other = load(world);
  await world.run(100);
  tab.frozen = true;
  await world.run(11 * minute); // the other one refreshed at 10.5 minutes
  expect(world.take("/v1/refresh")).toHaveLength(1);
  other.tab.close();
  await world.run(11 * minute);
  tab.frozen = false; // now it hears of a token that is 11 minutes old
  tab.fire("visibilitychange");
  await world.run(100);
  expect(world.take("/v1/refresh")).toHaveLength(1);
  expect(writ.user).toBeTruthy();
});

test("without locks tabs refresh at the same time, and stay signed in", async () => {
  const world = new World();
  world.withLocks = world.withChannels = false;
  world.server.begin(world.jar);
  const pages = [load(world), load(world), load(world)];
  await world.run(60 * minute);
  expect(pages.map((p) => p.writ.user?.email)).toEqual(Array(3).fill("alice@example.com"));
  expect(world.server.verdicts.repeat).toBeGreaterThan(0);
  expect(world.server.verdicts.theft).toBeUndefined();
});

test("waits two seconds for a lock that a frozen tab holds, and goes without", async () => {
  const { world, tab } = await signedIn();
  const name = "writ cookie https://app.example";
  const frozen = world.open();
  frozen.frozen = true;
  world.held.set(name, { tab: frozen });
  world.sleep(20 * minute);
  tab.fire("focus");
  await world.run(1900);
  expect(world.take("/v1/refresh")).toHaveLength(0);
  await world.run(200);
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("a sign-in in one tab shows in the others", async () => {
  const world = new World();
  const [one, two] = [load(world), load(world)];
  await world.run(200);
  expect(two.writ.user).toBeNull();
  await outcome(world, one.writ.signIn(alice));
  expect(two.writ.user?.email).toBe("alice@example.com");
  expect(two.told.at(-1)).toBe("alice@example.com signed_in");
});

test("a sign-out in one tab shows in the others, at once", async () => {
  const { world, writ, grant } = await signedIn();
  const other = load(world);
  await world.run(100);
  world.way = () => ({ there: 3000, back: 3000 });
  const leaving = writ.signOut();
  expect(writ.user).toBeNull();
  await world.run(10);
  expect(other.writ.user).toBeNull();
  expect(other.told.at(-1)).toBe("nobody signed_out");
  await outcome(world, leaving, 7000);
  expect(grant.ended).toBe("sign-out");
  expect(world.jar.size).toBe(0);
  await world.run(60 * minute);
  expect(world.seen.map((r) => r.path)).toEqual(["/v1/logout"]);
});

test("a session that is over shows in all tabs when one finds out", async () => {
  const { world, grant, writ } = await signedIn();
  const others = [load(world), load(world)];
  await world.run(100);
  world.server.end(grant, "theft");
  await outcome(world, writ.fetch("/api/thing"), 100);
  for (const { writ, told } of others) {
    expect(writ.user).toBeNull();
    expect(told.at(-1)).toBe("nobody session_ended");
  }
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("tabs tell each other no token", async () => {
  const world = new World();
  const spoken: unknown[] = [];
  const listener = world.open();
  for (const mode of ["cookie", "token"]) {
    const channel = new listener.BroadcastChannel!(`writ ${mode} https://app.example`);
    channel.onmessage = ({ data }) => spoken.push(data);
  }
  for (const mode of ["cookie", "token"] as const) {
    const { writ } = load(world, { mode });
    await outcome(world, writ.signIn(alice));
    await world.run(30 * minute);
    await outcome(world, writ.signOut());
  }
  const text = JSON.stringify(spoken);
  expect(spoken.length).toBeGreaterThan(3);
  expect(text).not.toMatch(/ses_\d+[.:]/); // what tokens of the model look like
  expect(text).not.toContain("_token");
});

test("news of another session's end change nothing", async () => {
  const { world, writ } = await signedIn();
  const channel = new (world.open().BroadcastChannel!)("writ cookie https://app.example");
  channel.postMessage(["ses_another", "session_ended"]);
  await world.run(100);
  expect(writ.user).toBeTruthy();
});

test("late news of a session that was signed out of don't bring it back", async () => {
  const { world, writ } = await signedIn();
  const other = world.open();
  const channel = new other.BroadcastChannel!("writ cookie https://app.example");
  const heard: unknown[] = [];
  channel.onmessage = ({ data }) => heard.push(data);
  const later = load(world); // asks, and is told
  await world.run(100);
  const answer = heard.find((m) => (m as unknown[]).length > 2);
  expect(answer).toBeTruthy();
  await outcome(world, writ.signOut());
  channel.postMessage(answer);
  await world.run(100);
  expect(writ.user).toBeNull();
  expect(later.writ.user).toBeNull();
});

test("a browser that has locks and channels, and refuses them, is one without", async () => {
  const world = new World();
  world.insecure = true;
  world.server.begin(world.jar);
  const pages = [load(world), load(world)];
  await world.run(60 * minute);
  expect(pages.map((p) => p.writ.user?.email)).toEqual(Array(2).fill("alice@example.com"));
  expect(world.server.verdicts.theft).toBeUndefined();
  await outcome(world, pages[0]!.writ.signOut());
  expect(world.jar.size).toBe(0);
});

test("a script of the page that asks as a tab does is told no token", async () => {
  const world = new World();
  const { writ } = load(world, { mode: "token" });
  await outcome(world, writ.signIn(alice));
  const heard: unknown[] = [];
  const channel = new (world.open().BroadcastChannel!)("writ token https://app.example");
  channel.onmessage = ({ data }) => heard.push(data);
  channel.postMessage([]);
  await world.run(100);
  expect(heard).toEqual([]);
});
