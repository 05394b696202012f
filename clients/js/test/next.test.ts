// The proxy and what decides, as Next.js calls them. e2e drives the example in Chromium.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createNext, VerifyError, type NextOptions } from "../src/next.ts";
import { TestIssuer, until } from "./issuer.ts";

const site = "https://app.example.com";

let issuer: TestIssuer;
let writ: Server; // answers refreshes
let asked: { cookie: string; origin: string | undefined }[];
let answer: (res: ServerResponse, req: IncomingMessage) => void;
let jar: Record<string, string>;
let incoming: Record<string, string>;

beforeEach(async () => {
  issuer = await new TestIssuer().start();
  asked = [];
  jar = {};
  incoming = {};
  answer = (res) => {
    res.setHeader("Set-Cookie", ["writ_at=new; Path=/; HttpOnly", "writ_rt=next; Path=/; HttpOnly; SameSite=Strict"]);
    res.end("{}");
  };
  const reached = issuer.url;
  writ = createServer(async (req, res) => {
    if (req.url !== "/v1/refresh") {
      const found = await fetch(reached + req.url);
      res.writeHead(found.status).end(await found.text());
      return;
    }
    asked.push({ cookie: req.headers.cookie ?? "", origin: req.headers.origin });
    answer(res, req);
  });
  await new Promise<void>((resolve) => writ.listen(0, "127.0.0.1", resolve));
});

afterEach(() => {
  issuer.stop();
  writ.close();
});

interface Passed {
  response: Response;
  /** What the page is given; undefined if the proxy has answered itself. */
  headers: Headers | undefined;
  rewritten: string | undefined;
}

function next(options: Partial<NextOptions> = {}) {
  const auth = createNext({
    issuer: issuer.url,
    server: `http://127.0.0.1:${(writ.address() as AddressInfo).port}`,
    audience: "https://api.example.com",
    revocation: "ask",
    cookies: async () => ({ get: (name) => (name in jar ? { value: jar[name]! } : undefined) }),
    headers: async () => new Headers(incoming),
    ...options,
  });
  async function visit(path: string, cookie: string, headers: Record<string, string> = {}, method = "GET"): Promise<Passed> {
    let given: Headers | undefined;
    let rewritten: string | undefined;
    const responses = {
      next: (init: { request: { headers: Headers } }) => ((given = init.request.headers), new Response("page")),
      rewrite: (url: URL, init: { request: { headers: Headers } }) => ((given = init.request.headers), (rewritten = url.href), new Response("writ")),
    };
    const response = await auth.proxy(responses)(new Request(site + path, { method, headers: { ...(cookie && { cookie }), ...headers } }));
    return { response, headers: given, rewritten };
  }
  return { ...auth, visit };
}

const visited = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

test("a good access token is left alone", async () => {
  const { response, headers } = await next().visit("/", `a=b; writ_at=${await issuer.token()}; writ_rt=one; writ_hint=1`);
  expect([asked.length, response.headers.getSetCookie(), response.headers.get("Cache-Control")]).toEqual([0, [], null]);
  expect(headers!.get("cookie")).toContain("writ_rt=one");
});

test.each<[string, () => Promise<string> | string]>([
  ["none", () => ""],
  ["one that ends soon", async () => `writ_at=${await issuer.token({ iat: Math.floor(Date.now() / 1000) - 890, exp: Math.floor(Date.now() / 1000) + 10 })}; `],
  ["one that is over", async () => `writ_at=${await issuer.token({ exp: 1000 })}; `],
  ["one that is no token", () => "writ_at=x; "],
  ["one that was revoked", async () => (issuer.log.add(2, "sid-7"), `writ_at=${await issuer.token({ sid: "sid-7" })}; `)],
])("an access token is had before the page begins: %s", async (_, access) => {
  const { response, headers } = await next({ maxStale: 29 }).visit("/notes", `a=b; ${await access()}writ_rt=one; writ_hint=1`);
  expect(asked).toEqual([{ cookie: "writ_rt=one", origin: issuer.url }]);
  expect(headers!.get("cookie")).toBe("a=b; writ_hint=1; writ_at=new; writ_rt=next");
  expect(response.headers.getSetCookie()).toEqual(["writ_at=new; Path=/; HttpOnly", "writ_rt=next; Path=/; HttpOnly; SameSite=Strict"]);
  expect(response.headers.get("Cache-Control")).toBe("private, no-store");
});

test("requests that come together refresh together", async () => {
  const n = next();
  const all = await Promise.all([n.visit("/a", "writ_rt=one"), n.visit("/b", "writ_rt=one"), n.visit("/c", "writ_rt=two")]);
  expect(asked.map(({ cookie }) => cookie)).toEqual(["writ_rt=one", "writ_rt=two"]);
  for (const { headers } of all) expect(headers!.get("cookie")).toContain("writ_at=new");
});

test("a session that is over isn't asked about again, and its cookies are left to whoever signs in", async () => {
  answer = (res) => res.writeHead(401).end('{"code":"session_ended"}');
  const n = next();
  for (let i = 0; i < 3; i++) {
    const { response, headers } = await n.visit("/", "writ_rt=one");
    expect([response.headers.getSetCookie(), headers!.get("x-writ-unavailable")]).toEqual([[], null]);
  }
  expect(asked.length).toBe(1);
});

test.each<[string, string, (res: ServerResponse) => void]>([
  ["503", "503 unavailable", (res) => void res.writeHead(503).end('{"code":"unavailable"}')],
  ["429", "429 too_many_requests", (res) => void res.writeHead(429).end('{"code":"too_many_requests"}')],
  ["a code that is none", "500 ?x: y", (res) => void res.writeHead(500).end('{"code":"\\nx: y"}')],
  ["a proxy's 401", "401", (res) => void res.writeHead(401).end("<html>")],
  ["a redirect", "302", (res) => void res.writeHead(302, { Location: "https://evil.example/" }).end()],
  ["nothing", "fetch failed: other side closed", (res) => void res.destroy()],
])("an outage is no sign-out: %s", async (_, why, broken) => {
  answer = broken;
  const n = next();
  const { headers, response } = await n.visit("/", "writ_rt=one");
  expect(headers!.get("x-writ-unavailable")).toContain(why);
  expect(response.headers.getSetCookie()).toEqual([]);
  incoming = { "x-writ-unavailable": why };
  await expect(n.user()).rejects.toMatchObject({ code: "unavailable", message: "unavailable: the session couldn't be refreshed: " + why });
  const handled = await n.handler(async () => new Response("data"))(new Request(site, { headers: incoming }), {});
  expect(handled.status).toBe(503);
});

test("nobody else says that there is an outage", async () => {
  const { headers } = await next().visit("/", "", { "x-writ-unavailable": "1" });
  expect(headers!.get("x-writ-unavailable")).toBeNull();
});

describe("the hand-shake", () => {
  test("asks once more from here, and keeps the address", async () => {
    const n = next();
    const first = await n.visit("/notes?a=b", "writ_hint=1", visited);
    expect(first.headers).toBeUndefined();
    expect(await first.response.text()).toContain("writ_handshake=1");
    expect(first.response.headers.get("Cache-Control")).toBe("private, no-store");
    const second = await n.visit("/notes?a=b&writ_handshake=1", "writ_hint=1; writ_rt=one", { ...visited, "sec-fetch-site": "same-origin" });
    expect([second.response.status, second.response.headers.get("Location")]).toEqual([307, site + "/notes?a=b"]);
    expect(second.response.headers.getSetCookie()).toContain("writ_at=new; Path=/; HttpOnly");
  });

  test("has no third half", async () => {
    const n = next();
    const { response } = await n.visit("/?writ_handshake=1", "writ_hint=1", visited); // still no session
    expect([response.status, response.headers.get("Location")]).toEqual([307, site + "/"]);
    const after = await n.visit("/", "", visited);
    expect(await after.response.text()).toBe("page");
  });

  test.each<[string, string, Record<string, string>, string]>([
    ["nobody was signed in", "", visited, "GET"],
    ["the access token lives", "writ_hint=1; writ_at=x", visited, "GET"],
    ["a form", "writ_hint=1", visited, "POST"],
    ["an image", "writ_hint=1", { ...visited, "sec-fetch-dest": "image" }, "GET"],
    ["a script's request", "writ_hint=1", { ...visited, "sec-fetch-mode": "cors" }, "GET"],
    ["a page of our own", "writ_hint=1", { ...visited, "sec-fetch-site": "same-origin" }, "GET"],
    ["a crawler", "writ_hint=1", {}, "GET"],
  ])("isn't made where it can't help: %s", async (_, cookie, headers, method) => {
    expect(await (await next().visit("/", cookie, headers, method)).response.text()).toBe("page");
  });

  test("the hint comes with a session, and goes with it", async () => {
    const n = next();
    const came = await n.visit("/", "writ_rt=one");
    expect(came.response.headers.getSetCookie()).toContain("writ_hint=1; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax");
    const went = await n.visit("/", "writ_hint=1", { "sec-fetch-site": "none" });
    expect(went.response.headers.getSetCookie()).toEqual(["writ_hint=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"]);
    answer = (res) => res.writeHead(401).end('{"code":"invalid_token"}');
    expect((await n.visit("/", "writ_rt=made-up")).response.headers.getSetCookie()).toEqual([]);
  });

  test("never leads to another host", async () => {
    const { response } = await next().visit("//evil.example/?writ_handshake=1", "writ_hint=1");
    expect(new URL(response.headers.get("Location")!).origin).toBe(site);
  });
});

test("Writ's paths lead to Writ, with its cookies alone, and no others do", async () => {
  const n = next();
  const { rewritten, headers } = await n.visit("/v1/login", "theme=dark; writ_at=a; writ_rt=b; session=secret", {}, "POST");
  expect(rewritten).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1\/login$/);
  expect(headers!.get("cookie")).not.toMatch(/theme|session/);
  for (const path of ["/v1/admin/users", "/v1/login/", "/v1/loginx", "/v1/sessions", "/v1//login", "/V1/login"]) {
    expect([path, (await n.visit(path, "")).rewritten]).toEqual([path, undefined]);
  }
});

describe("who decides", () => {
  test("user, require and demands", async () => {
    const n = next();
    expect(await n.user()).toBeNull();
    await expect(n.require()).rejects.toMatchObject({ code: "no_token", status: 401 });
    jar.writ_at = "x.y.z";
    expect(await n.user()).toBeNull();
    jar.writ_at = await issuer.token();
    expect((await n.user())!.subject).toBe("usr_1");
    expect((await n.require({ roles: ["editor"] })).subject).toBe("usr_1");
    await expect(n.user({ roles: ["admin"] })).rejects.toMatchObject({ code: "forbidden" });
  });

  test("a handler", async () => {
    expect(() => next().handler(async () => new Response("data"), { role: "editor" } as never)).toThrow("unknown demand");
    expect(() => next().action(async () => {}, { role: "editor" } as never)).toThrow("unknown demand");
    const handle = next({ trustedOrigins: ["https://other.example.com"] }).handler(async (_, access) => new Response(access.subject), { roles: ["editor"] });
    const token = await issuer.token();
    const status = async (method: string, headers: Record<string, string>) => (await handle(new Request(site, { method, headers }), {})).status;
    expect(await status("GET", {})).toBe(401);
    expect(await status("GET", { cookie: "writ_at=" + token })).toBe(200);
    expect(await status("GET", { authorization: "Bearer " + token })).toBe(200);
    expect(await status("POST", { cookie: "writ_at=" + token })).toBe(403);
    expect(await status("POST", { cookie: "writ_at=" + token, "sec-fetch-site": "same-origin" })).toBe(200);
    expect(await status("POST", { cookie: "writ_at=" + token, origin: "https://other.example.com" })).toBe(200);
    expect(await status("GET", { cookie: "writ_at=" + (await issuer.token({ roles: [] })) })).toBe(403);
  });

  test("an action", async () => {
    const act = next().action(async (access, text: string) => `${access.subject} ${text}`);
    jar.writ_at = await issuer.token();
    await expect(act("x")).rejects.toMatchObject({ code: "cross_site" });
    incoming = { "sec-fetch-site": "same-origin" };
    expect(await act("x")).toBe("usr_1 x");
    jar = {};
    await expect(act("x")).rejects.toBeInstanceOf(VerifyError);
  });
});

test("where Writ has another address for this server, keys and revocations are had there", async () => {
  issuer.url = "https://auth.invalid";
  const n = next({ issuer: issuer.url, askAfter: 0 });
  const who = () => n.user().then((access) => access?.subject ?? "nobody", (error) => error.code);
  jar["__Host-writ_at"] = await issuer.token({ sid: "sid-3" });
  await until("a good token", async () => (await who()) === "usr_1");
  issuer.log.add(2, "sid-3");
  await until("a revoked one", async () => (await who()) === "nobody");
});

test("an issuer or a server that is none stops the start", () => {
  expect(() => next({ issuer: undefined as never })).toThrow("issuer is missing");
  for (const wrong of ["auth.example.com", "localhost:8080"]) {
    expect(() => next({ issuer: wrong })).toThrow(wrong);
    expect(() => next({ server: wrong })).toThrow(wrong);
  }
  next({ server: "http://writ:8080" });
});

test("trusted origins are origins", () => {
  for (const wrong of ["", "app.example.com", "https://app.example.com/"]) expect(() => next({ trustedOrigins: [wrong] })).toThrow("trustedOrigins");
});
