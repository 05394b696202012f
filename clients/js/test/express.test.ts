// The middleware as Express calls it. e2e runs it in Express, against a real server.
import { afterEach, beforeEach, expect, test } from "vitest";
import { createProtection, type ExpressRequest, type Protection, type ProtectOptions } from "../src/express.ts";
import { credential, type Check } from "../src/verify/index.ts";
import { audience, TestIssuer } from "./issuer.ts";

let issuer: TestIssuer;
let made: Protection[] = [];

beforeEach(async () => {
  issuer = await new TestIssuer().start();
});

afterEach(() => {
  for (const protection of made) protection.dispose();
  made = [];
  issuer.stop();
});

function protection(options: Partial<ProtectOptions> = {}): Protection {
  const p = createProtection({ issuer: issuer.url, audience, onTrouble: () => {}, ...options });
  made.push(p);
  return p;
}

interface Sent {
  status: number; // 200: it was let pass
  challenge: string | undefined;
  for: string | undefined;
}

function send(p: Protection, req: Partial<ExpressRequest>, demands?: Check): Promise<Sent> {
  const request: ExpressRequest = { method: "GET", originalUrl: "/orders", headers: {}, ...req };
  return new Promise((resolve, reject) => {
    let status = 0;
    let headers: Record<string, string> = {};
    const res = {
      status: (code: number) => ((status = code), res),
      set: (all: Record<string, string>) => ((headers = all), res),
      send: () => resolve({ status, challenge: headers["WWW-Authenticate"], for: request.access?.subject }),
    };
    p.protect(demands)(request, res, (error) => (error ? reject(error) : resolve({ status: 200, challenge: undefined, for: request.access?.subject })));
  });
}

test("a token passes, demands are checked, a planted access is nothing", async () => {
  const p = protection();
  await p.verifier.ready;
  const headers = { authorization: "Bearer " + (await issuer.token()) };
  expect(await send(p, { headers })).toEqual({ status: 200, challenge: undefined, for: "usr_1" });
  expect(await send(p, { headers }, { roles: ["editor"] })).toMatchObject({ status: 200 });
  expect(await send(p, { headers }, { roles: ["admin"] })).toEqual({ status: 403, challenge: 'Bearer realm="api", error="insufficient_scope"', for: undefined });
  expect(await send(p, { access: { subject: "usr_evil" } as never })).toEqual({ status: 401, challenge: 'Bearer realm="api"', for: undefined });
  expect(await send(p, { headers: { authorization: "Bearer x.y.z" } })).toMatchObject({ status: 401, challenge: 'Bearer realm="api", error="invalid_token"' });
  const twice = { headers, headersDistinct: { authorization: [headers.authorization, headers.authorization] } };
  expect(await send(p, twice)).toMatchObject({ status: 401, challenge: 'Bearer realm="api", error="invalid_request"' });
});

test("what is no demand stops the start", () => {
  const p = protection();
  expect(() => p.protect({ role: "admin" } as never)).toThrow('unknown demand "role"; known are roles, permissions, scopes, and stale');
});

test("public routes are those that are named, and no way around", async () => {
  const p = protection({ public: ["GET /healthz", "/about", "GET /assets/*"] });
  const status = async (method: string, originalUrl: string, demands?: Check) => (await send(p, { method, originalUrl }, demands)).status;
  for (const [method, url] of [["GET", "/healthz"], ["HEAD", "/healthz"], ["GET", "/healthz?a=/.."], ["POST", "/about"], ["GET", "/assets/"], ["GET", "/assets/a/b.js"]] as const) {
    expect([method, url, await status(method, url)]).toEqual([method, url, 200]);
  }
  for (const url of [
    "/Healthz", "/healthz/", "/healthz/../orders", "//healthz", "http://x/healthz", "/assets", "/assetsx", "/assets/../orders", "/assets/./a", "/assets/%2e%2e/orders",
    "/assets/..%2forders", "/assets/%252e%252e/orders", "/assets/..\\orders", "/assets//orders", "/assets/a;/../orders", "/assets/%00", "/orders", "", "?/healthz",
  ]) {
    expect([url, await status("GET", url)]).toEqual([url, 401]);
  }
  expect(await status("POST", "/healthz")).toBe(401);
  expect(await status("GET", "/about", { roles: ["admin"] })).toBe(401); // a demand is stronger
  expect(() => protection({ public: "GET /healthz" as never })).toThrow('public must be a list, such as ["GET /healthz"]');
  for (const wrong of ["healthz", "GET", "get /x", "/a*b", "/a*", "/a/**", "/a//b", "/a/../b", ""]) expect(() => protection({ public: [wrong] })).toThrow(TypeError);
});

test("a cookie needs one of our own pages for what changes something", async () => {
  const p = protection({ cookie: "__Host-writ_at", trustedOrigins: ["https://app.example.com"] });
  await p.verifier.ready;
  const token = await issuer.token();
  const cookie = `a=b; __Host-writ_at=${token}; c=d`;
  const status = async (method: string, headers: Record<string, string>) => (await send(p, { method, headers })).status;
  expect(await status("GET", { cookie })).toBe(200);
  expect(await status("POST", { cookie })).toBe(403);
  expect(await status("POST", { cookie, "sec-fetch-site": "same-site" })).toBe(403);
  expect(await status("POST", { cookie, origin: "null" })).toBe(403);
  expect(await status("POST", { cookie, origin: "https://app.example.com.evil.example" })).toBe(403);
  expect(await status("GET", { cookie, upgrade: "websocket" })).toBe(403);
  expect(await status("POST", { cookie, "sec-fetch-site": "same-origin" })).toBe(200);
  expect(await status("DELETE", { cookie, origin: "https://app.example.com" })).toBe(200);
  expect(await status("POST", { cookie, authorization: "Bearer " + token })).toBe(200); // no browser adds that by itself
  expect(await status("POST", { cookie, authorization: "Bearer x.y.z" })).toBe(401); // and the cookie is no second try
  expect(await status("GET", { cookie: cookie + "; __Host-writ_at=planted" })).toBe(401);
  expect(await status("GET", { cookie: "__Host-writ_at=" })).toBe(401);
  expect((await send(protection(), { headers: { cookie } })).status).toBe(401); // only where it is asked for
});

test("trusted origins are origins, and none sent is none of them", async () => {
  for (const wrong of ["", "null", "*", "app.example.com", "https://app.example.com/", "https://app.example.com:443", "https://App.example.com", "https://a@app.example.com", "https://", undefined]) {
    expect(() => protection({ trustedOrigins: [wrong as string] })).toThrow("trustedOrigins");
  }
  expect(() => protection({ trustedOrigins: "https://app.example.com" as never })).toThrow(TypeError);
  for (const right of ["https://app.example.com", "http://localhost:3000", "https://[::1]:8443", "capacitor://localhost"]) protection({ trustedOrigins: [right] });
  const request = (origin?: string) => ({ method: "POST", header: (name: string) => ({ cookie: "at=x", origin })[name] });
  for (const origin of [undefined, ""]) expect(() => credential(request(origin), { cookie: "at", trustedOrigins: [""] })).toThrow("cross_site");
  expect(credential(request("https://a.example"), { cookie: "at", trustedOrigins: ["https://a.example"] })).toBe("x");
});

test("what can't be known is a 503, and what is no refusal goes on to Express", async () => {
  issuer.way = (_, res) => !!res.destroy();
  const told: string[] = [];
  const p = protection({ onRefusal: ({ code }) => told.push(code), public: ["/healthz"] });
  expect(await send(p, { headers: { authorization: "Bearer " + (await issuer.token()) } })).toEqual({ status: 503, challenge: undefined, for: undefined });
  expect(await send(p, {})).toMatchObject({ status: 401 });
  expect(told).toEqual(["unavailable", "no_token"]);
  expect(await send(p, { originalUrl: "/healthz" })).toMatchObject({ status: 200 });
  await expect(send(p, { headers: undefined as never })).rejects.toThrow(TypeError);
});

test("what goes wrong while refusing goes on to Express", async () => {
  const p = protection({
    onRefusal: () => {
      throw new Error("the log is full");
    },
  });
  await expect(send(p, {})).rejects.toThrow("the log is full");
  const sent = { status: () => { throw new Error("headers sent"); } };
  const told = new Promise((resolve) => protection().protect()({ method: "GET", originalUrl: "/", headers: {} }, sent as never, resolve));
  expect(await told).toEqual(new Error("headers sent"));
});
