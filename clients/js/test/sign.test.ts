import { expect, test } from "vitest";
import { createWrit, WritError } from "../src/index.ts";
import { alice, load, outcome, signedIn } from "./page.ts";
import { refusal } from "./server.ts";
import { World } from "./world.ts";

const minute = 60_000;

test("signs in, and stays", async () => {
  const world = new World();
  const { writ, told } = load(world);
  await world.run(100);
  const user = await outcome(world, writ.signIn(alice));
  expect(user).toBe(writ.user);
  expect(told).toEqual(["nobody unauthenticated", "alice@example.com signed_in"]);
  const [login] = world.take("/v1/login");
  expect(login!.body).toEqual({ email: "alice@example.com", password: "right", mode: "cookie" });
  await world.run(120 * minute);
  expect(writ.user).toBe(user); // the same object, for those who compare
  expect(told).toHaveLength(2);
});

test("a wrong password rejects, and ends nothing", async () => {
  const { world, writ } = await signedIn();
  const error = await outcome(world, writ.signIn({ email: "alice@example.com", password: "wrong" }));
  expect(error).toBeInstanceOf(WritError);
  expect(error).toMatchObject({ code: "invalid_credentials", status: 401, message: "detail of invalid_credentials" });
  expect(writ.user).toBeTruthy();
  await world.run(11 * minute);
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("what the server says of a refusal reaches the application", async () => {
  const world = new World();
  const { writ } = load(world);
  world.instead = () => ({ status: 429, body: { code: "too_many_requests", detail: "slower", extra: 1 }, headers: { "Retry-After": "17" } });
  expect(await outcome(world, writ.signIn(alice))).toMatchObject({ code: "too_many_requests", status: 429, retryAfter: 17, problem: { extra: 1 }, message: "slower" });
  world.instead = () => ({ status: 502, body: "<html>" });
  expect(await outcome(world, writ.signIn(alice))).toMatchObject({ code: "network", status: 502 });
  world.way = () => ({ there: 1, back: 1, lost: "request" });
  expect(await outcome(world, writ.signIn(alice))).toMatchObject({ code: "network", status: 0 });
});

test("a sign-out during a refresh wins", async () => {
  for (const when of [1, 20, 30, 49, 60]) {
    const { world, writ, tab, grant } = await signedIn();
    world.way = () => ({ there: 25, back: 25 });
    world.sleep(20 * minute);
    tab.fire("focus");
    await world.run(when);
    await outcome(world, writ.signOut(), 5000);
    await world.run(60 * minute);
    expect(writ.user).toBeNull();
    expect(grant.ended).toBe("sign-out");
  }
});

test("a refresh of another tab during the sign-out brings nobody back", async () => {
  for (const when of [1, 20, 30, 49, 60]) {
    const { world, writ } = await signedIn();
    const others = [load(world), load(world)];
    await world.run(100);
    world.way = () => ({ there: 25, back: 25 });
    world.sleep(20 * minute);
    for (const { tab } of others) tab.fire("focus");
    await world.run(when);
    await outcome(world, writ.signOut(), 5000);
    for (const page of others) expect(page.writ.user).toBeNull();
    expect(writ.user).toBeNull();
  }
});

test("a tab that loads during the sign-out is signed out", async () => {
  for (const when of [1, 20, 60, 70, 90]) {
    const { world, writ, tab } = await signedIn();
    world.way = () => ({ there: 40, back: 40 });
    tab.frozen = true; // says nothing
    const loading = load(world);
    await world.run(when);
    tab.frozen = false;
    await outcome(world, writ.signOut(), 5000);
    expect(loading.writ.user).toBeNull();
  }
});

test("a sign-out that the server didn't hear of rejects, and is told when the network is back", async () => {
  const { world, writ, tab, grant } = await signedIn();
  world.way = () => ({ there: 1, back: 1, lost: "request" });
  expect(await outcome(world, writ.signOut())).toMatchObject({ code: "network" });
  expect(writ.user).toBeNull();
  expect(grant.ended).toBeUndefined();
  world.way = () => ({ there: 1, back: 1 });
  tab.fire("online");
  await world.run(100);
  expect(grant.ended).toBe("sign-out");
  world.seen.length = 0;
  tab.fire("online");
  await world.run(100);
  expect(world.seen).toEqual([]);
});

test("a sign-out that is still owed doesn't end the next session", async () => {
  const { world, writ, tab } = await signedIn();
  world.way = () => ({ there: 1, back: 1, lost: "request" });
  await outcome(world, writ.signOut());
  world.way = () => ({ there: 1, back: 1 });
  await outcome(world, writ.signIn(alice));
  tab.fire("online");
  await world.run(30 * minute);
  expect(writ.user?.email).toBe("alice@example.com");
  expect(world.take("/v1/logout")).toHaveLength(0);
});

test.each(["session_ended", "unauthenticated", "invalid_token"])("signing out of what is over already (%s) is no error", async (code) => {
  const { world, writ } = await signedIn();
  world.instead = () => refusal(code);
  expect(await outcome(world, writ.signOut())).toBeUndefined();
});

test("a sign-out that the server can't carry out rejects", async () => {
  const { world, writ } = await signedIn();
  world.instead = () => refusal("unavailable", 503);
  expect(await outcome(world, writ.signOut())).toMatchObject({ code: "unavailable" });
});

for (const mode of ["cookie", "token"] as const) {
  test(`a sign-out asked for during a sign-in wins (${mode} mode)`, async () => {
    const world = new World();
    const { writ } = load(world, { mode });
    await world.run(100);
    world.way = () => ({ there: 100, back: 100 });
    const entering = outcome(world, writ.signIn(alice), 50);
    const leaving = outcome(world, writ.signOut(), 5000);
    expect(await entering).toMatchObject({ code: "signed_out" });
    expect(await leaving).toBeUndefined();
    expect(writ.user).toBeNull();
    expect([...world.server.grants.values()].map((g) => g.ended)).toEqual(["sign-out"]);
    expect(world.jar.size).toBe(0);
  });

  test(`everywhere means every device (${mode} mode)`, async () => {
    const world = new World();
    const elsewhere = world.server.begin(new Map());
    const { writ, told } = load(world, { mode, audience: "https://api.example" });
    await outcome(world, writ.signIn(alice));
    await world.run(20 * minute);
    world.seen.length = 0;
    expect(await outcome(world, writ.signOutEverywhere())).toBeUndefined();
    expect(elsewhere.ended).toBe("sign-out");
    expect(writ.user).toBeNull();
    expect(told.at(-1)).toBe("nobody signed_out");
    expect(world.take("/v1/refresh")[0]!.body).toMatchObject({ audience: "https://app.example" });
  });

  test(`everywhere that fails changes nothing (${mode} mode)`, async () => {
    const world = new World();
    const { writ } = load(world, { mode });
    await outcome(world, writ.signIn(alice));
    world.instead = (r) => (r.path === "/v1/logout-all" ? refusal("unavailable", 503) : undefined);
    expect(await outcome(world, writ.signOutEverywhere())).toMatchObject({ code: "unavailable" });
    await world.run(60 * minute);
    expect(writ.user).toBeTruthy();
    expect(world.server.verdicts.theft).toBeUndefined();
  });
}

test("cookies that the browser drops are noticed at the sign-in", async () => {
  const world = new World();
  world.keeps = false;
  const writ = createWrit({ issuer: "https://auth.example" }, world.open());
  await world.run(200);
  expect(await outcome(world, writ.signIn(alice))).toMatchObject({ code: "cookies_blocked" });
  expect(writ.user).toBeNull();
  world.keeps = true;
  expect(await outcome(world, writ.signIn(alice))).toMatchObject({ email: "alice@example.com" });
});

test("token mode keeps the tokens to itself, and sends no cookies", async () => {
  const world = new World();
  world.server.begin(world.jar, "bob@example.com");
  const { writ } = load(world, { mode: "token", audience: "https://api.example" });
  expect(writ.user).toBeNull();
  await world.run(1000);
  expect(world.seen).toEqual([]); // there is nothing to restore
  await outcome(world, writ.signIn(alice));
  expect(JSON.stringify(writ)).not.toContain("ses_");
  await world.run(11 * minute);
  expect(world.seen.map((r) => [r.path, r.credentials])).toEqual([
    ["/v1/login", "omit"],
    ["/v1/refresh", "omit"],
  ]);
  expect(world.seen[1]!.body).toEqual({ refresh_token: "ses_2.0", audience: "https://api.example" });
  world.seen.length = 0;
  await outcome(world, writ.signOut());
  expect(world.seen.map((r) => [r.path, r.body])).toEqual([["/v1/logout", { refresh_token: "ses_2.1" }]]);
});

test("a sign-out in token mode ends the sessions of all tabs", async () => {
  const world = new World();
  const pages = [load(world, { mode: "token" }), load(world, { mode: "token" })] as const;
  for (const { writ } of pages) await outcome(world, writ.signIn(alice));
  expect(pages[0].writ.user).toBeTruthy();
  await outcome(world, pages[0].writ.signOut());
  expect(pages[1].writ.user).toBeNull();
  expect([...world.server.grants.values()].map((g) => g.ended)).toEqual(["sign-out", "sign-out"]);
});

test("on a server it does nothing by itself", async () => {
  const world = new World();
  const tab = world.open();
  const bare = { fetch: tab.fetch, setTimeout: tab.setTimeout, clearTimeout: tab.clearTimeout, performance: tab.performance, Date: tab.Date, Math: tab.Math };
  const writ = createWrit({ issuer: "https://auth.example" }, bare);
  await world.run(60 * minute);
  expect(writ.user).toBeUndefined();
  expect(world.seen).toEqual([]);
});
