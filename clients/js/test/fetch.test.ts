import { describe, expect, test } from "vitest";
import { alice, load, outcome, signedIn } from "./page.ts";
import { issuer, settled, World, type Answered } from "./world.ts";

const expired = (): Answered => ({ status: 401, body: {}, headers: { "WWW-Authenticate": 'Bearer realm="api", error="invalid_token"' } });

/** An API that answers the first n requests with refused. */
function refuse(world: World, n: number, refused: () => Answered = expired) {
  world.instead = (r) => (r.path.startsWith("/api") && n-- > 0 ? refused() : undefined);
}

test("adds nothing in cookie mode", async () => {
  const { world, writ } = await signedIn();
  await outcome(world, writ.fetch("/api/thing", { method: "POST", headers: { "X-Mine": "1" }, body: '{"a":1}' }));
  const [request] = world.take("/api/thing");
  expect(request).toMatchObject({ method: "POST", body: { a: 1 }, credentials: "same-origin" });
  expect([...request!.headers]).toEqual([["x-mine", "1"]]);
});

test("waits for the first answer before the first request", async () => {
  const world = new World();
  world.server.begin(world.jar);
  world.jar.delete("at");
  const { writ } = load(world);
  const response = await outcome(world, writ.fetch("/api/thing"));
  expect(response).toMatchObject({ status: 200 });
  expect(world.seen.map((r) => r.path)).toEqual(["/v1/refresh", "/api/thing"]);
});

test("refreshes before a request whose token is as good as expired", async () => {
  const { world, writ, tab } = await signedIn();
  tab.hide();
  await world.run(14 * 60_000);
  expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 200 });
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("an expired token and a server out of reach: the API has the last word", async () => {
  const { world, writ } = await signedIn();
  world.sleep(20 * 60_000);
  world.way = (r) => ({ there: 10, back: 10, ...(r.path === "/v1/refresh" && { lost: "request" as const }) });
  world.instead = (r) => (r.path === "/api/public" ? { status: 200, body: {} } : undefined);
  expect(await outcome(world, writ.fetch("/api/public"))).toMatchObject({ status: 200 });
  expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 401 });
  expect(writ.user).toBeTruthy();
});

test("tries once more after error=\"invalid_token\"", async () => {
  const { world, writ } = await signedIn();
  refuse(world, 1);
  expect(await outcome(world, writ.fetch("/api/thing", { method: "POST", body: '{"a":1}' }))).toMatchObject({ status: 200 });
  expect(world.take("/v1/refresh")).toHaveLength(1);
  expect(world.take("/api/thing").map((r) => r.body)).toEqual([{ a: 1 }, { a: 1 }]);
});

test("never in a loop", async () => {
  const { world, writ } = await signedIn();
  refuse(world, Infinity);
  expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 401 });
  expect(world.take("/api/thing")).toHaveLength(2);
  expect(world.take("/v1/refresh")).toHaveLength(1);
  for (let i = 0; i < 25; i++) expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 401 });
  expect(world.take("/api/thing")).toHaveLength(25); // once each
  expect(world.take("/v1/refresh")).toHaveLength(0);
  await world.run(10_000);
  await outcome(world, writ.fetch("/api/thing"));
  expect(world.take("/v1/refresh")).toHaveLength(1); // half a minute later
});

test("many refused at once share one refresh, and each is tried once more", async () => {
  const { world, writ } = await signedIn();
  refuse(world, 5);
  const all = Promise.all(Array.from({ length: 5 }, () => writ.fetch("/api/thing")));
  await world.run(1000);
  expect((await all).map((r) => r.status)).toEqual([200, 200, 200, 200, 200]);
  expect(world.take("/v1/refresh")).toHaveLength(1);
  expect(world.take("/api/thing")).toHaveLength(10);
});

test.each([
  ["401 for another reason", () => ({ status: 401, body: {}, headers: { "WWW-Authenticate": 'Bearer error="insufficient_user_authentication"' } })],
  ["401 of another scheme", () => ({ status: 401, body: {}, headers: { "WWW-Authenticate": "Basic" } })],
  ["401 alone", () => ({ status: 401, body: {} })],
  ["403", () => ({ status: 403, body: {}, headers: { "WWW-Authenticate": 'Bearer error="insufficient_scope"' } })],
  ["500", () => ({ status: 500, body: {} })],
])("%s is the application's business", async (_, answer) => {
  const { world, writ } = await signedIn();
  refuse(world, Infinity, answer);
  await outcome(world, writ.fetch("/api/thing"));
  expect(world.take("/api/thing")).toHaveLength(1);
  expect(world.take("/v1/refresh")).toHaveLength(0);
});

test("cookies that went without the client, as with a new password, are missed by the next request", async () => {
  const { world, writ, grant, told } = await signedIn();
  const other = load(world);
  await world.run(100);
  world.server.end(grant, "password");
  world.jar.clear();
  const challenge = () => world.take("/api/thing").length;
  expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 401 });
  expect([writ.user, other.writ.user, told.at(-1), challenge()]).toEqual([null, null, "nobody unauthenticated", 1]);
});

test("an API that the cookies don't reach costs a refresh in half a minute, and signs nobody out", async () => {
  const { world, writ } = await signedIn();
  world.instead = (r) => (r.path.startsWith("/api") ? { status: 401, body: {}, headers: { "WWW-Authenticate": 'Bearer realm="api"' } } : undefined);
  for (let i = 0; i < 20; i++) expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 401 });
  expect(world.take("/v1/refresh")).toHaveLength(1);
  expect(world.take("/api/thing")).toHaveLength(21);
  expect(writ.user).toBeTruthy();
});

describe("a request that is given up", () => {
  // giveUp asks, and a second later wants no answer any more.
  async function giveUp({ world, writ }: Pick<Awaited<ReturnType<typeof signedIn>>, "world" | "writ">) {
    const giving = new AbortController();
    const asked = writ.fetch("/api/thing", { signal: giving.signal }).catch(() => "rejected");
    await world.run(1000);
    giving.abort();
    await settled();
    expect(await Promise.race([asked, "pending"])).toBe("rejected");
    await world.run(10_000);
  }

  test("doesn't wait for a refresh, which goes on", async () => {
    const { world, writ, tab } = await signedIn();
    tab.hide();
    world.sleep(20 * 60_000);
    world.way = () => ({ there: 10, back: 8000 });
    await giveUp({ world, writ });
    expect(world.take("/v1/refresh")).toHaveLength(1);
    expect(world.take("/api/thing")).toHaveLength(0);
    expect(writ.user).toBeTruthy();
  });

  test("doesn't begin", async () => {
    const { world, writ } = await signedIn();
    world.sleep(20 * 60_000);
    const asked = writ.fetch(new Request(issuer + "/api/thing", { signal: AbortSignal.abort() })).catch(() => "rejected");
    await settled();
    expect(await Promise.race([asked, "pending"])).toBe("rejected");
  });

  test("isn't answered with the refusal of a token, nor sent again", async () => {
    const { world, writ } = await signedIn();
    refuse(world, 1);
    world.way = (r) => ({ there: 10, back: r.path === "/v1/refresh" ? 8000 : 10 });
    await giveUp({ world, writ });
    expect(world.take("/api/thing")).toHaveLength(1);
  });
});

test("403 where the API answers so to expired tokens", async () => {
  const { world, writ } = await signedIn(undefined, { refreshOn403: true });
  refuse(world, 1, () => ({ status: 403, body: {} }));
  expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 200 });
  expect(world.take("/v1/refresh")).toHaveLength(1);
  refuse(world, Infinity, () => ({ status: 403, body: {} }));
  for (let i = 0; i < 10; i++) expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 403 });
  expect(world.take("/v1/refresh")).toHaveLength(0); // so soon after
});

test("a request that was refused while another renewed the token is tried again without a refresh", async () => {
  const { world, writ } = await signedIn();
  let slow = true;
  world.way = (r) => ({ there: 10, back: r.path === "/api/slow" && slow ? 300 : 10 });
  world.instead = (r) => (r.path === "/api/slow" && slow ? expired() : undefined);
  const first = outcome(world, writ.fetch("/api/slow"), 200);
  await world.run(50);
  world.sleep(20 * 60_000); // another request finds the token expired
  await outcome(world, writ.fetch("/api/thing"), 100);
  slow = false;
  world.instead = () => undefined;
  await world.run(500);
  expect(await first).toMatchObject({ status: 200 });
  expect(world.take("/v1/refresh")).toHaveLength(1);
});

test("streams and bodies that are gone are not sent again, but the token is renewed", async () => {
  const { world, writ } = await signedIn();
  refuse(world, 1);
  const body = new ReadableStream();
  expect(await outcome(world, writ.fetch("/api/thing", { method: "POST", body }))).toMatchObject({ status: 401 });
  expect(world.take("/api/thing")).toHaveLength(1);
  expect(world.take("/v1/refresh")).toHaveLength(1);

  await world.run(40_000);
  refuse(world, 1);
  const request = new Request(issuer + "/api/thing", { method: "POST", body: "once" });
  const sent = writ.fetch(request);
  await request.text(); // as the real fetch does
  expect(await outcome(world, sent)).toMatchObject({ status: 401 });
  expect(world.take("/api/thing")).toHaveLength(1);
});

test("a Request without a body is sent again", async () => {
  const { world, writ } = await signedIn();
  refuse(world, 1);
  expect(await outcome(world, writ.fetch(new Request(issuer + "/api/thing")))).toMatchObject({ status: 200 });
  expect(world.take("/api/thing")).toHaveLength(2);
});

test("a refused request ends the session where the server says that it is over", async () => {
  const { world, writ, grant, told } = await signedIn();
  world.server.end(grant, "theft");
  expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 401 });
  expect(writ.user).toBeNull();
  expect(told.at(-1)).toBe("nobody session_ended");
  expect(world.take("/api/thing")).toHaveLength(1);
});

test("other hosts are none of its business", async () => {
  const { world, writ } = await signedIn();
  world.instead = (r) => (r.origin === "https://elsewhere.example" ? expired() : undefined);
  await outcome(world, writ.fetch("https://elsewhere.example/thing"));
  expect(world.take("/thing")).toHaveLength(1);
  expect(world.take("/v1/refresh")).toHaveLength(0);
});

test("a request isn't sent again as somebody else", async () => {
  const { world, writ } = await signedIn();
  world.way = (r) => ({ there: 10, back: r.path === "/api/thing" ? 3000 : 10 });
  refuse(world, 1);
  const sent = outcome(world, writ.fetch("/api/thing", { method: "POST" }), 100);
  const other = load(world);
  void outcome(world, other.writ.signIn({ email: "bob@example.com", password: "right" }));
  await world.run(6000);
  expect(writ.user?.email).toBe("bob@example.com");
  expect(await sent).toMatchObject({ status: 401 });
  expect(world.take("/api/thing")).toHaveLength(1);
});

test("signed out, requests are sent as they are", async () => {
  const world = new World();
  const { writ } = load(world);
  await world.run(100);
  world.seen.length = 0;
  expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 401 });
  expect(world.seen).toHaveLength(1);
});

test("token mode sends the token to the APIs that are named, to nobody else", async () => {
  const world = new World();
  const { writ } = load(world, { mode: "token", apis: ["https://api.example"] });
  await outcome(world, writ.signIn(alice));
  for (const url of ["https://api.example/api/a", "https://api.example:444/api/b", "http://api.example/api/c", "/api/d"]) {
    await outcome(world, writ.fetch(url, { headers: { "X-Mine": "1" } }));
  }
  const sent = world.seen.filter((r) => r.path.startsWith("/api")).map((r) => [r.path, r.headers.has("authorization"), r.headers.get("x-mine")]);
  expect(sent).toEqual([
    ["/api/a", true, "1"],
    ["/api/b", false, "1"],
    ["/api/c", false, "1"],
    ["/api/d", false, "1"],
  ]);
});

test("token mode keeps the headers of a Request, and an Authorization of the application's own", async () => {
  const world = new World();
  const { writ } = load(world, { mode: "token" });
  await outcome(world, writ.signIn(alice));
  await outcome(world, writ.fetch(new Request(issuer + "/api/a", { headers: { "X-Mine": "1" } })));
  await outcome(world, writ.fetch("/api/b", { headers: { Authorization: "Basic abc" } }));
  const [a] = world.take("/api/a");
  expect(a!.headers.get("x-mine")).toBe("1");
  expect(a!.headers.get("authorization")).toMatch(/^Bearer ses_1:/);
  expect(world.take("/api/b")[0]!.headers.get("authorization")).toBe("Basic abc");
});

test("token mode tries again with the new token", async () => {
  const world = new World();
  const { writ } = load(world, { mode: "token" });
  await outcome(world, writ.signIn(alice));
  refuse(world, 1);
  expect(await outcome(world, writ.fetch("/api/thing"))).toMatchObject({ status: 200 });
  const [first, second] = world.take("/api/thing").map((r) => r.headers.get("authorization"));
  expect(first).not.toBe(second);
});

test("token mode sends no token where a <base> leads that somebody has put into the page", async () => {
  const world = new World();
  const { writ, tab } = load(world, { mode: "token" });
  await outcome(world, writ.signIn(alice));
  const sent = () => world.take("/api/thing").map((r) => [r.origin, r.headers.has("authorization")]);
  // One that comes while a request waits for a new token.
  world.sleep(20 * 60_000);
  const waiting = writ.fetch("/api/thing");
  tab.document.baseURI = "https://evil.example/";
  await outcome(world, waiting);
  expect(sent()).toEqual([[issuer, true]]);
  await outcome(world, writ.fetch("/api/thing"));
  expect(sent()).toEqual([["https://evil.example", false]]);
});
