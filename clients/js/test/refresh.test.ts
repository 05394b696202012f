import { expect, test } from "vitest";
import { load, outcome, signedIn } from "./page.ts";
import { refusal } from "./server.ts";
import { World } from "./world.ts";

const minute = 60_000;

test("restores the session as the page loads", async () => {
  const world = new World();
  world.server.begin(world.jar);
  const { writ, told } = load(world);
  expect(writ.user).toBeUndefined();
  await world.run(100);
  expect((await writ.ready)?.email).toBe("alice@example.com");
  expect(told).toEqual(["alice@example.com updated"]);
  const [request, ...more] = world.seen;
  expect(more).toEqual([]);
  expect(request).toMatchObject({ method: "POST", path: "/v1/refresh", credentials: "include" });
});

test("finds nobody signed in, and asks no more", async () => {
  const world = new World();
  const { writ } = load(world);
  await world.run(60 * minute);
  expect(await writ.ready).toBeNull();
  expect(world.seen.map((r) => r.path)).toEqual(["/v1/refresh", "/v1/me"]);
});

test("is not sure of anything while the server is out of reach", async () => {
  const world = new World();
  world.server.begin(world.jar);
  world.way = () => ({ there: 10, back: 10, lost: "request" });
  const { writ, told } = load(world);
  await world.run(5 * minute);
  expect(writ.user).toBeUndefined();
  expect(told).toEqual([]);
  world.way = () => ({ there: 10, back: 10 });
  await world.run(minute);
  expect(writ.user?.email).toBe("alice@example.com");
});

test.each([
  [0, 630_000],
  [0.5, 697_500],
  [0.999, 764_865],
])("refreshes before the expiry, with jitter %d", async (random, due) => {
  const world = new World();
  world.random = () => random;
  await signedIn(world); // asked 50 ms after loading
  await world.run(due - 100);
  expect(world.take("/v1/refresh")).toHaveLength(0);
  await world.run(200);
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("goes by the server's expires_in", async () => {
  const world = new World();
  world.server.life = 20;
  await signedIn(world);
  await world.run(13_900);
  expect(world.take("/v1/refresh")).toHaveLength(0);
  await world.run(200); // 70 % of 20 s
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("an answer that took long has less time left", async () => {
  const world = new World();
  world.server.begin(world.jar);
  world.way = () => ({ there: 10, back: 8000 });
  const { writ } = load(world);
  await world.run(8100);
  expect(writ.user).toBeTruthy();
  world.take("/v1/refresh");
  await world.run(630_000 - 8100 + 200); // from when it was asked, not from when it came
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

for (const off of [600_000, -600_000]) {
  test(`a clock that is ${off / minute} minutes off changes nothing`, async () => {
    const world = new World();
    world.clockOff = off;
    await signedIn(world);
    await world.run(630_000 - 200);
    expect(world.take("/v1/refresh")).toHaveLength(0);
    await world.run(300);
    expect(world.take("/v1/refresh")).toHaveLength(1);
  });

  test(`a clock that is set by ${off / minute} minutes signs nobody out`, async () => {
    const { world, writ, tab } = await signedIn();
    world.clockOff = off;
    await world.run(5000);
    tab.fire("focus");
    await world.run(20 * minute);
    expect(writ.user).toBeTruthy();
    expect(world.take("/v1/refresh").length).toBeLessThanOrEqual(3);
  });
}

test("a clock that is set back doesn't keep a token from its refresh", async () => {
  const { world } = await signedIn();
  world.clockOff = -600_000;
  await world.run(630_200);
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

for (const ticks of [false, true]) {
  test(`wakes after an hour of sleep where performance.now() ${ticks ? "runs on" : "stands still"}`, async () => {
    const { world, writ, tab } = await signedIn();
    world.ticksInSleep = ticks;
    world.sleep(60 * minute);
    tab.fire("focus");
    await world.run(100);
    expect(world.take("/v1/refresh")).toHaveLength(1);
    expect(writ.user).toBeTruthy();
  });
}

test.each(["focus", "online", "pageshow", "visibilitychange"])("%s refreshes what is due, and else nothing", async (type) => {
  const { world, tab } = await signedIn();
  for (let i = 0; i < 5; i++) tab.fire(type);
  await world.run(1000);
  expect(world.take("/v1/refresh")).toHaveLength(0);
  world.sleep(11 * minute);
  for (let i = 0; i < 5; i++) tab.fire(type);
  await world.run(1000);
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("a page from the back/forward cache asks the server", async () => {
  const { world, grant, writ, tab, told } = await signedIn();
  world.server.end(grant, "sign-out");
  tab.fire("pageshow", { persisted: true });
  await world.run(100);
  expect(writ.user).toBeNull();
  expect(told.at(-1)).toBe("nobody session_ended");
});

test("a page from the back/forward cache learns of a sign-in", async () => {
  const world = new World();
  const { writ, tab } = load(world);
  await world.run(100);
  expect(writ.user).toBeNull();
  world.server.begin(world.jar);
  tab.fire("pageshow", { persisted: true });
  await world.run(100);
  expect(writ.user?.email).toBe("alice@example.com");
});

test("a hidden page doesn't count as activity", async () => {
  const { world, writ, tab } = await signedIn();
  tab.hide();
  await world.run(24 * 60 * minute);
  expect(world.take("/v1/refresh")).toHaveLength(0);
  expect(writ.user).toBeTruthy();
  tab.show();
  await world.run(100);
  expect(world.take("/v1/refresh")).toHaveLength(1);
  expect(writ.user).toBeTruthy();
});

test("offline is not signed out", async () => {
  const { world, writ, tab, told } = await signedIn();
  told.length = 0;
  world.way = () => ({ there: 10, back: 10, lost: "request" });
  await world.run(60 * minute); // four times the token's life
  expect(writ.user).toBeTruthy();
  world.way = () => ({ there: 10, back: 10 });
  tab.fire("online");
  await world.run(100);
  expect(world.take("/v1/refresh")).toHaveLength(1);
  expect(told).toEqual([]);
});

test("tries again after growing pauses", async () => {
  const world = new World(); // random is 0: the pauses are 1, 2, 4, 8, 16, 16 … seconds
  const { grant } = await signedIn(world);
  const times: number[] = [];
  world.way = (r) => (r.path === "/v1/refresh" && times.push(Math.round(world.awake / 1000)), { there: 0, back: 0, lost: "request" });
  await world.run(630_000 + 100_000);
  const pauses = times.slice(1).map((t, i) => t - times[i]!);
  expect(pauses.slice(0, 6)).toEqual([1, 2, 4, 8, 16, 16]);
  expect(grant.ended).toBeUndefined();
});

test.each([429, 503])("comes back after a %d when the server says so", async (status) => {
  const { world, writ, tab } = await signedIn();
  world.instead = (r) => (r.path === "/v1/refresh" ? refusal("unavailable", status, { "Retry-After": "40" }) : undefined);
  await world.run(630_100);
  expect(world.take("/v1/refresh")).toHaveLength(1);
  world.instead = () => undefined;
  tab.fire("focus");
  tab.hide();
  tab.show();
  await world.run(39_500);
  expect(world.take("/v1/refresh")).toHaveLength(0);
  await world.run(1000);
  expect(world.take("/v1/refresh")).toHaveLength(1);
  expect(writ.user).toBeTruthy();
});

test.each([
  ["500", () => refusal("internal_error", 500)],
  ["404 of a proxy", () => ({ status: 404, body: "<html>" })],
  ["200 of a hotel", () => ({ status: 200, body: "<html>log in" })],
  ["401 of a proxy", () => ({ status: 401, body: "<html>" })],
  ["401 with other JSON", () => ({ status: 401, body: { error: "login_required" } })],
  ["null", () => ({ status: 200, body: null })],
  ["403", () => refusal("cross_site_request", 403)],
  ["400", () => refusal("invalid_request", 400)],
])("an early refresh that fails with %s ends nothing", async (_, answer) => {
  const { world, writ, told } = await signedIn();
  told.length = 0;
  world.instead = (r) => (r.path === "/v1/refresh" ? answer() : undefined);
  await world.run(11 * minute); // the access token lives
  expect(world.take("/v1/refresh").length).toBeGreaterThan(1);
  expect(writ.user).toBeTruthy();
  await world.run(20 * minute); // and now it doesn't
  expect(writ.user).toBeTruthy();
  world.instead = () => undefined;
  await world.run(minute);
  expect(told).toEqual([]);
  expect(world.server.verdicts.theft).toBeUndefined();
});

test.each(["session_ended", "invalid_token", "state_lost"] as const)("a refusal with %s signs out", async (code) => {
  const { world, writ, told } = await signedIn();
  world.instead = (r) => (r.path === "/v1/refresh" ? refusal(code) : undefined);
  await world.run(11 * minute);
  expect(writ.user).toBeNull();
  expect(told.at(-1)).toBe("nobody " + code);
  const asked = world.take("/v1/refresh").length;
  expect(asked).toBe(1);
  await world.run(60 * minute);
  expect(world.take("/v1/refresh")).toHaveLength(0);
});

test("cookies that are gone sign out", async () => {
  const { world, writ, told } = await signedIn();
  world.jar.clear();
  await world.run(11 * minute);
  expect(writ.user).toBeNull();
  expect(told.at(-1)).toBe("nobody unauthenticated");
});

test("without refresh tokens a session lasts as long as its access token, also over a reload", async () => {
  const world = new World();
  world.server.idle = 0;
  const { writ } = load(world);
  await world.run(100);
  world.seen.length = 0;
  const entering = writ.signIn({ email: "alice@example.com", password: "right" });
  await world.run(100);
  await entering;
  world.jar.delete("rt");
  await world.run(14 * minute);
  expect(world.take("/v1/refresh")).toHaveLength(0);
  const again = load(world);
  await world.run(200);
  expect(again.writ.user?.email).toBe("alice@example.com");
  await world.run(2 * minute);
  expect(writ.user).toBeNull();
});

test("gives up after ten seconds, or three quarters of the access token's life", async () => {
  for (const [life, patience] of [
    [900, 10_000],
    [8, 6000],
  ] as const) {
    const world = new World();
    world.server.life = life;
    const { writ } = await signedIn(world);
    const given: number[] = [];
    world.way = () => {
      given.push(world.awake);
      return { there: 0, back: 60_000 };
    };
    await world.run(life * 700 + 150);
    expect(given).toHaveLength(1);
    await world.run(patience + 1000 - 150); // until just before the next attempt
    expect(given).toHaveLength(1);
    await world.run(400);
    expect(given).toHaveLength(2);
    expect(given[1]! - given[0]!).toBe(patience + 1000 + 50); // the first pause, and to hear of other tabs
    expect(writ.user).toBeTruthy();
  }
});

test("one request for all who need one", async () => {
  const { world, writ } = await signedIn();
  world.sleep(20 * minute);
  const all = Promise.all(Array.from({ length: 8 }, () => writ.fetch("/api/thing")));
  await world.run(1000);
  expect((await all).map((r) => r.status)).toEqual(Array(8).fill(200));
  expect(world.take("/v1/refresh")).toHaveLength(1);
  expect(world.take("/api/thing")).toHaveLength(8);
});

test("dispose stops everything", async () => {
  const { world, writ, tab } = await signedIn();
  writ.dispose();
  tab.fire("focus");
  tab.fire("pageshow", { persisted: true });
  await world.run(60 * minute);
  expect(world.seen).toEqual([]);
  world.way = () => ({ there: 10, back: 500 });
  const other = load(world);
  await world.run(80);
  other.writ.dispose(); // in the middle of a refresh
  await world.run(60 * minute);
  expect(other.writ.user).toBeUndefined();
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("asks at once when it is told to", async () => {
  const { world, writ, grant, told } = await signedIn();
  grant.user = { ...grant.user, name: "Alice" } as typeof grant.user;
  expect(await outcome(world, writ.refresh())).toMatchObject({ name: "Alice" });
  expect(told.at(-1)).toBe("alice@example.com updated");
  world.way = () => ({ there: 1, back: 1, lost: "request" });
  expect(await outcome(world, writ.refresh())).toMatchObject({ name: "Alice" });
  world.way = () => ({ there: 1, back: 1 });
  await world.run(5000);
  world.server.end(grant, "password");
  expect(await outcome(world, writ.refresh())).toBeNull();
});

test("a client that was disposed of still signs out, and in", async () => {
  const { world, writ, grant } = await signedIn();
  writ.dispose();
  expect(await outcome(world, writ.signOut())).toBeUndefined();
  expect(grant.ended).toBe("sign-out");
  expect(await outcome(world, writ.signIn({ email: "alice@example.com", password: "right" }))).toMatchObject({ email: "alice@example.com" });
});

test("a listener that throws harms nobody", async () => {
  const { world, writ, grant } = await signedIn();
  const errors: unknown[] = [];
  const proc = (globalThis as unknown as { process: { once(type: string, f: (e: unknown) => void): void } }).process;
  proc.once("uncaughtException", (e) => errors.push(e));
  const seen: unknown[] = [];
  writ.onChange(() => {
    throw new Error("a listener's own");
  });
  const stop = writ.onChange((user) => seen.push(user));
  world.server.end(grant, "theft");
  await world.run(11 * minute);
  expect(seen).toEqual([null]);
  stop();
  expect(String(errors[0])).toContain("a listener's own");
});
