// The verifier against an issuer over real HTTP.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { answerTo, bearer, challenge, createVerifier, refusal, VerifyError, type Verifier, type VerifierOptions } from "../src/verify/index.ts";
import { audience, newSigningKey, SignedLog, TestIssuer, until } from "./issuer.ts";

let issuer: TestIssuer;
let made: Verifier[] = [];

beforeEach(async () => {
  issuer = await new TestIssuer().start();
});

afterEach(() => {
  for (const verifier of made) verifier.dispose();
  made = [];
  issuer.stop();
});

function verifier(options: Partial<VerifierOptions> = {}): Verifier<{ plan?: string }> {
  const v = createVerifier<{ plan?: string }>({ issuer: issuer.url, audience, onTrouble: () => {}, ...options });
  made.push(v);
  return v;
}

/** A verifier that has heard of its issuer: a busy machine may take more than the 2 s that requests wait. */
async function ready(options: Partial<VerifierOptions> = {}): Promise<Verifier<{ plan?: string }>> {
  const v = verifier(options);
  await v.ready;
  return v;
}

async function accepts(v: Verifier, token: string): Promise<void> {
  await until("a good token is accepted", async () => (await verdict(v, token)) === "accepted");
}

/** Why a token is refused, or "accepted". */
async function verdict(v: Verifier, token: string, check = {}): Promise<string> {
  try {
    await v.verify(token, check);
    return "accepted";
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return error.code;
  }
}

test("a good token has typed claims that nothing changes", async () => {
  const v = await ready();
  const token = await issuer.token({ plan: "pro", permissions: ["orders:delete"] });
  const access = await v.verify(token);
  expect(access.subject).toBe("usr_1");
  expect(access.claims.plan).toBe("pro");
  expect([access.hasRole("editor"), access.hasRole("admin"), access.hasScope("orders.read"), access.hasScope("orders"), access.hasPermission("orders:delete"), access.isClient]).toEqual([true, false, true, false, true, false]);
  expect(() => (access.claims.roles as string[]).push("admin")).toThrow(TypeError);
  expect(await v.verify(token)).toBe(access);
});

test("what isn't a good access token is refused", async () => {
  const v = await ready();
  const now = Math.floor(Date.now() / 1000);
  const other = newSigningKey();
  const good = await issuer.token();
  const [header, payload, signature] = good.split(".") as [string, string, string];
  const cases: [string, string, string][] = [
    ["nothing", "", "malformed"],
    ["no token", "a.b.c", "malformed"],
    ["too long", "a".repeat(20_000), "malformed"],
    ["another type", await issuer.token({}, { typ: "JWT" }), "type"],
    ["no type", await issuer.token({}, { typ: undefined }), "type"],
    ["another issuer", await issuer.token({ iss: "https://evil.example" }), "issuer"],
    ["another audience", await issuer.token({ aud: "https://other.example" }), "audience"],
    ["no audience", await issuer.token({ aud: undefined }), "audience"],
    ["expired", await issuer.token({ exp: now - 31 }), "expired"],
    ["no expiry", await issuer.token({ exp: undefined }), "claim"],
    ["not yet valid", await issuer.token({ nbf: now + 60 }), "not_yet_valid"],
    ["made in the future", await issuer.token({ iat: now + 120 }), "claim"],
    ["no subject", await issuer.token({ sub: undefined }), "claim"],
    ["no jti", await issuer.token({ jti: undefined }), "claim"],
    ["roles of another type", await issuer.token({ roles: "admin" }), "claim"],
    ["bound to a key", await issuer.token({ cnf: { jkt: "x" } }), "bound"],
    ["bound to nothing", await issuer.token({ cnf: null }), "bound"],
    ["another key's signature", await issuer.token({}, {}, other.private), "signature"],
    ["an unknown key", await issuer.token({}, { kid: "unknown" }, other.private), "key"],
    ["another algorithm", [Buffer.from(JSON.stringify({ alg: "ES384", typ: "at+jwt", kid: issuer.signing.kid })).toString("base64url"), payload, signature].join("."), "key"],
    ["none", [Buffer.from(JSON.stringify({ alg: "none", typ: "at+jwt" })).toString("base64url"), payload, ""].join("."), "key"],
    ["a shared secret's", [Buffer.from(JSON.stringify({ alg: "HS256", typ: "at+jwt", kid: issuer.signing.kid })).toString("base64url"), payload, signature].join("."), "key"],
    ["critical", await issuer.token({}, { crit: ["exp"], exp: now + 60 }).catch(() => [Buffer.from(JSON.stringify({ alg: "ES256", typ: "at+jwt", kid: issuer.signing.kid, crit: ["x"], x: 1 })).toString("base64url"), payload, signature].join(".")), "key"],
    ["changed", [header, Buffer.from(Buffer.from(payload, "base64url").toString().replace("usr_1", "usr_2")).toString("base64url"), signature].join("."), "signature"],
    ["without a signature", `${header}.${payload}.`, "signature"],
  ];
  expect(await verdict(v, good)).toBe("accepted");
  for (const [what, token, code] of cases) expect([what, await verdict(v, token)]).toEqual([what, code]);
  expect(await verdict(v, await issuer.token({ exp: now - 20 }))).toBe("accepted"); // within the leeway
  expect(await verdict(v, await issuer.token({}, { typ: "application/AT+JWT" }))).toBe("accepted");
});

test.each([
  ["a token", 1, (claims: any) => claims.jti],
  ["a session", 2, () => "sid-1"],
  ["all of a user", 3, () => "epoch-u"],
  ["all of a client", 3, () => "epoch-c"],
  ["all of a key", 4, () => issuer.signing.kid],
])("%s is revoked", async (_, kind, id) => {
  const v = await ready();
  const token = await issuer.token();
  const { claims } = await v.verify(token);
  issuer.revoke(kind, "another");
  await until("the entry", () => v.stats().sequence === 1);
  expect(await verdict(v, token)).toBe("accepted");
  issuer.revoke(kind, id(claims));
  await until("the revocation", async () => (await verdict(v, token)) === "revoked");
});

test("a refusal tells the log what was expected", async () => {
  const v = await ready({ audience: ["https://a.example.com", "https://b.example.com"] });
  await expect(v.verify(await issuer.token())).rejects.toThrow("audience: it isn't for https://a.example.com or https://b.example.com");
  await expect(v.verify(await issuer.token({ iss: "https://evil.example" }))).rejects.toThrow("issuer: it isn't of " + issuer.url);
});

test("demands are a 403, a policy is a route's", async () => {
  const v = await ready();
  const token = await issuer.token();
  expect(await verdict(v, token, { roles: ["editor"], scopes: ["orders.read", "orders.write"] })).toBe("accepted");
  expect(await verdict(v, token, { roles: ["editor", "admin"] })).toBe("forbidden");
  expect(await verdict(v, token, { permissions: ["x"] })).toBe("forbidden");
  const error = await v.verify(token, { scopes: ["orders.delete"] }).catch((error) => error);
  expect(challenge(error)).toBe('Bearer realm="api", error="insufficient_scope", scope="orders.delete"');
});

// Without types, in JavaScript, a demand that is misspelt would demand nothing.
const misspelt = [{ role: "admin" }, { roles: "admin" }, { scopes: [1] }, "admin", null, ["admin"], { roles: ["editor"], audience: "x" }, { stale: "accept" }] as never[];

test.each(misspelt)("%j is no demand", async (check) => {
  const v = await ready();
  await expect(v.verify(await issuer.token(), check)).rejects.toThrow(TypeError);
});

test("what isn't there is called missing", async () => {
  expect(() => createVerifier({ audience } as never)).toThrow("issuer is missing");
  expect(() => createVerifier({ issuer: issuer.url } as never)).toThrow("audience is missing");
  const v = await ready();
  await expect(v.verify(undefined as never)).rejects.toThrow("not a string");
});

test("a request's token, and the answers to refusals", async () => {
  const v = await ready();
  const request = (authorization?: string) => new Request("https://api.example.com/", authorization === undefined ? {} : { headers: { Authorization: authorization } });
  const token = await issuer.token();
  expect((await v.authenticate(request("Bearer " + token))).subject).toBe("usr_1");
  expect((await v.authenticate(request("bEARER   " + token))).subject).toBe("usr_1");
  const answer = async (authorization?: string) => {
    const response = refusal(await v.authenticate(request(authorization)).catch((error) => error));
    return [response.status, response.headers.get("WWW-Authenticate"), await response.text()];
  };
  const none = '{"title":"Unauthorized","status":401}\n';
  expect(await answer()).toEqual([401, 'Bearer realm="api"', none]);
  expect(await answer("Basic abc")).toEqual([401, 'Bearer realm="api"', none]);
  expect(await answer("Bearerish abc")).toEqual([401, 'Bearer realm="api"', none]);
  expect(await answer("Bearer")).toEqual([401, 'Bearer realm="api", error="invalid_request"', '{"title":"Unauthorized","status":401,"code":"invalid_request"}\n']);
  expect((await answer(`Bearer ${token}, Bearer ${token}`))[1]).toBe('Bearer realm="api", error="invalid_request"');
  expect(await answer("Bearer a.b.c")).toEqual([401, 'Bearer realm="api", error="invalid_token"', '{"title":"Unauthorized","status":401,"code":"invalid_token"}\n']);
  expect(() => refusal(new Error("another"))).toThrow("another");
  expect(answerTo(new VerifyError("unavailable"))).toMatchObject({ status: 503, headers: { "Retry-After": "2" } });
  expect(answerTo(new VerifyError("unavailable"))!.headers["WWW-Authenticate"]).toBeUndefined();
  expect(() => bearer(null)).toThrow("no_token");
});

describe("an issuer in trouble", () => {
  test("one that isn't there when the verifier starts is awaited, and then 503", async () => {
    issuer.way = (_, res) => !!res.destroy();
    const v = verifier();
    const token = await issuer.token();
    const early = verdict(v, token);
    expect(await early).toBe("unavailable");
    expect(await verdict(v, token)).toBe("unavailable");
    issuer.way = undefined;
    await until("the issuer is back", async () => (await verdict(v, token)) === "accepted");
    await v.ready;
  });

  test("one that comes within the wait isn't noticed", async () => {
    let refused = 0;
    issuer.way = (_, res) => refused++ < 1 && !!res.destroy();
    expect(await verdict(verifier(), await issuer.token())).toBe("accepted");
  });

  test("a log that falls silent makes good tokens 503 and revoked ones stay 401", async () => {
    const v = await ready({ maxStale: 1 });
    const [good, revoked] = [await issuer.token(), await issuer.token({ sid: "sid-2" })];
    issuer.revoke(2, "sid-2");
    await until("both verdicts", async () => (await verdict(v, good)) === "accepted" && (await verdict(v, revoked)) === "revoked");
    issuer.way = (req, res) => req.url!.startsWith("/log") && !!res.destroy();
    issuer.cut();
    await until("stale", async () => (await verdict(v, good)) === "unavailable");
    expect(await verdict(v, revoked)).toBe("revoked");
    expect(await verdict(v, good, { stale: "acceptUntilExpiry" })).toBe("accepted");
    expect(await verdict(v, good, { stale: "introspect" })).toBe("unavailable"); // without credentials
    issuer.way = undefined;
    await until("back again", async () => (await verdict(v, good)) === "accepted");
  });

  test("connections that stay open and silent are given up", async () => {
    const troubles: unknown[] = [];
    const v = await ready({ maxStale: 1, onTrouble: (error) => troubles.push(error) });
    const good = await issuer.token();
    await v.ready;
    const publish = issuer.publish;
    issuer.publish = () => {};
    issuer.way = (req) => req.url!.startsWith("/log"); // and no answer
    await until("stale", async () => (await verdict(v, good)) === "unavailable");
    await until("the silence is noticed", () => troubles.length > 0);
    issuer.publish = publish;
    issuer.way = undefined;
    await until("back again", async () => (await verdict(v, good)) === "accepted");
    await until("told", () => troubles.at(-1) === undefined);
  });

  test("introspection answers in its place", async () => {
    const v = verifier({ stale: "introspect", credentials: { clientId: "api", clientSecret: "a b+c" } });
    issuer.way = (req, res) => req.url!.startsWith("/log") && !!res.destroy();
    const token = await issuer.token();
    expect(await verdict(v, token)).toBe("accepted");
    issuer.active = false;
    expect(await verdict(v, token)).toBe("revoked");
    issuer.way = (req, res) => /log|introspect/.test(req.url!) && !!res.destroy();
    expect(await verdict(v, token)).toBe("unavailable");
  });

  test("a server without streams is polled", async () => {
    issuer.streamed = false;
    const v = await ready();
    const token = await issuer.token();
    expect(await verdict(v, token)).toBe("accepted");
    issuer.revoke(2, "sid-1");
    await until("the revocation", async () => (await verdict(v, token)) === "revoked");
  });

  test("streams that are cut at once lead to polling", async () => {
    issuer.way = (req, res) => {
      if (!req.headers.accept?.startsWith("text/event-stream")) return false;
      res.writeHead(503).end();
      return true;
    };
    const v = await ready({ maxStale: 3 });
    const token = await issuer.token();
    await accepts(v, token);
    issuer.revoke(2, "sid-1");
    await until("the revocation", async () => (await verdict(v, token)) === "revoked");
  });

  test("an old answer that is repeated without end isn't asked for without end", async () => {
    issuer.streamed = false;
    const v = await ready({ maxStale: 2 });
    const token = await issuer.token();
    await accepts(v, token);
    const old = JSON.stringify(issuer.log.page(0));
    issuer.log.add(2, "another");
    await until("a newer one", () => v.stats().sequence === 1);
    issuer.way = (req, res) => req.url!.startsWith("/log?") && !!res.end(old);
    issuer.asked = [];
    await until("stale", async () => (await verdict(v, token)) === "unavailable");
    expect(issuer.asked.length).toBeLessThan(30);
  });

  test("a made-up key doesn't make it ask each time", async () => {
    const v = await ready();
    await v.ready;
    const other = newSigningKey();
    for (let i = 0; i < 10; i++) expect(await verdict(v, await issuer.token({}, { kid: "made-up-" + i }, other.private))).toBe("key");
    expect(issuer.asked.filter((path) => path === "/jwks").length).toBe(2);
  });

  test("a key that replaces a revoked one is found, whoever has just asked for one that doesn't exist", async () => {
    const v = await ready();
    const asked = () => issuer.asked.filter((path) => path === "/jwks").length;
    const madeUp = await issuer.token({}, { kid: "made-up" }, newSigningKey().private);
    await until("the set without that key", async () => (await verdict(v, madeUp)) === "key");
    const before = asked();
    const old = issuer.signing.kid;
    issuer.signing = newSigningKey();
    issuer.way = (req, res) => req.url === "/jwks" && asked() === before + 1 && !!res.writeHead(503).end(); // the first time
    const token = await issuer.token();
    expect(await verdict(v, token)).toBe("key");
    expect(asked()).toBe(before);
    issuer.revoke(4, old);
    await until("the keys are asked for", () => asked() === before + 1);
    await until("the new one is there", async () => (await verdict(v, token)) === "accepted");
  });

  test("a key that is new is found at once", async () => {
    const v = await ready();
    await v.ready;
    issuer.signing = newSigningKey();
    expect(await verdict(v, await issuer.token())).toBe("accepted");
  });

  test.each([["unchecked" as const], ["ask" as const]])("a key that is gone ends the tokens that were seen, too (%s)", async (revocation) => {
    let passed = 0; // of the clock on the wall: that of the process stands still while a machine sleeps
    const v = verifier({ revocation, now: () => Date.now() + passed });
    issuer.log.now = () => Date.now() + passed;
    const token = await issuer.token();
    await accepts(v, token);
    const before = issuer.asked.filter((path) => path === "/jwks").length;
    issuer.signing = newSigningKey();
    expect(await verdict(v, token)).toBe("accepted");
    expect(issuer.asked.filter((path) => path === "/jwks").length).toBe(before);
    passed = 601_000; // max-age says 600 s, exp 900
    await until("the old key is gone", async () => (await verdict(v, token)) === "key");
    expect(await verdict(v, await issuer.token())).toBe("accepted");
  });

  test("seen tokens keep their key while the issuer is out of reach", async () => {
    let passed = 0;
    const v = verifier({ revocation: "ask", askAfter: 3600, maxStale: 3600, now: () => Date.now() + passed });
    const token = await issuer.token();
    await accepts(v, token);
    issuer.way = (_, res) => !!res.destroy();
    passed = 601_000;
    for (let i = 0; i < 3; i++) expect(await verdict(v, token)).toBe("accepted");
  });

  test.each([
    ["http://example.com", '"http://example.com" is neither https nor this machine'],
    ["ftp://localhost", "neither https"],
    ["localhost:8080", '"localhost:8080" is neither https nor this machine'],
    ["auth.example.com", '"auth.example.com" is no address, such as "https://'],
    ["http://user:secret@example.com", "an address with a password"],
  ])("%s can't be an issuer", (url, what) => {
    expect(() => createVerifier({ issuer: url, audience })).toThrow(what);
  });

  test("a 503 says why, to the log alone", async () => {
    /** Waits until a new verifier refuses a good token with a message: a busy machine may not know why at first. */
    const says = async (message: string | RegExp, options: Partial<VerifierOptions>) => {
      const v = verifier(options);
      const token = await issuer.token();
      let error: VerifyError | undefined;
      await until(String(message), async () => {
        error = await v.verify(token).then(() => expect.fail("accepted"), (error) => error);
        return typeof message === "string" ? error!.message === message : message.test(error!.message);
      });
      expect(answerTo(error)).toMatchObject({ status: 503, body: '{"title":"Service Unavailable","status":503}\n' });
      expect(error!.cause).toBeInstanceOf(Error);
    };
    const document = issuer.url + "/.well-known/openid-configuration";
    await says(`unavailable: keys are out of reach: ${document} names the issuer "${issuer.url}", not "${issuer.url}/"`, { issuer: issuer.url + "/" });
    issuer.way = (req, res) => req.url === "/jwks" && !!res.writeHead(404).end();
    await says(`unavailable: keys are out of reach: ${issuer.url}/jwks answered 404`, {});
    issuer.way = (req, res) => req.url === "/jwks" && !!res.end("<html>");
    await says(`unavailable: keys are out of reach: ${issuer.url}/jwks answered with something else than JSON`, { revocation: "unchecked" });
    issuer.way = (req, res) => req.url!.startsWith("/log?") && !!res.writeHead(404).end();
    for (const revocation of ["follow", "ask"] as const) await says("unavailable: revocations are out of date: the log answered 404", { revocation });
    issuer.stop();
    await says(/^unavailable: keys are out of reach: fetch failed: connect ECONNREFUSED 127.0.0.1:\d+$/, {});
  });

  test.each(["follow", "ask"] as const)("trouble is told once, and its end, and to the console if nobody asked (%s)", async (revocation) => {
    const said: string[] = [];
    vi.spyOn(console, "warn").mockImplementation((text) => void said.push(text));
    vi.spyOn(console, "info").mockImplementation((text) => void said.push(text));
    try {
      const v = createVerifier({ issuer: issuer.url, audience, revocation, askAfter: 0, maxStale: 1 });
      made.push(v);
      const token = await issuer.token();
      await accepts(v, token);
      issuer.way = (req, res) => req.url!.startsWith("/log") && !!res.writeHead(500).end();
      issuer.cut();
      await until("stale", async () => (await verdict(v, token)) === "unavailable");
      await verdict(v, token);
      issuer.way = undefined;
      await accepts(v, token);
      await until("its end is said", () => said.length > 0 && said.length % 2 === 0);
    } finally {
      vi.restoreAllMocks();
    }
    // A busy machine may be in trouble more than once.
    for (const [i, line] of said.entries()) {
      if (i % 2) expect(line).toBe(`writ: the revocations of ${issuer.url} can be followed again`);
      else expect(line).toMatch(`writ: the revocations of ${issuer.url} can't be followed: `);
    }
  });

  test("a document that names another issuer is no document", async () => {
    const lying = new TestIssuer();
    await lying.start();
    try {
      const real = lying.url;
      lying.url = "https://auth.example.com";
      const v = createVerifier({ issuer: real, audience, onTrouble: () => {} });
      made.push(v);
      expect(await verdict(v, await lying.token())).toBe("unavailable");
    } finally {
      lying.stop();
    }
  });
});

describe("a log that somebody else passes on", () => {
  test("a relay can hold back, but not hide", async () => {
    const relay = await new TestIssuer().start();
    try {
      relay.log = issuer.log;
      const v = await ready({ log: relay.url + "/log", maxStale: 1 });
      const [good, revoked] = [await issuer.token(), await issuer.token({ sid: "sid-2" })];
      await accepts(v, revoked);
      // It makes up an entry, under its own key.
      const forged = new SignedLog();
      forged.id = issuer.log.id;
      forged.add(2, "sid-1");
      relay.log = forged;
      await until("nobody believes it", async () => (await verdict(v, good)) === "unavailable");
      // It leaves one out.
      issuer.log.add(2, "sid-2");
      issuer.log.add(2, "sid-3");
      const page = issuer.log.page.bind(issuer.log);
      relay.log = Object.assign(Object.create(issuer.log), { page: (after: number) => ({ ...page(after), entries: page(after).entries.slice(1) }) });
      const asked = relay.asked.length;
      // Who asks once more has heard the answer before; it waits 4 to 8 s in between.
      await until("it was asked", () => relay.asked.length > asked + 1);
      expect(await verdict(v, good)).toBe("unavailable");
      relay.log = issuer.log;
      await until("the truth again", async () => (await verdict(v, good)) === "accepted");
      expect(await verdict(v, revoked)).toBe("revoked");
    } finally {
      relay.stop();
    }
  });

  test("a restored server's log is another, and what was revoked stays so", async () => {
    const v = await ready({ maxStale: 2 });
    const [good, revoked] = [await issuer.token({ sid: "sid-9" }), await issuer.token()];
    issuer.revoke(2, "sid-1");
    await until("the revocation", async () => (await verdict(v, revoked)) === "revoked");
    const { key } = issuer.log;
    issuer.log = new SignedLog();
    issuer.log.key = key;
    issuer.publish();
    await until("the new log", async () => v.stats().sequence === 0 && (await verdict(v, good)) === "accepted");
    expect(await verdict(v, revoked)).toBe("revoked");
    issuer.revoke(2, "sid-9");
    await until("the new log is followed", async () => (await verdict(v, good)) === "revoked");
  });

  test("an issuer's new log key is found", async () => {
    const v = await ready({ maxStale: 2 });
    const token = await issuer.token();
    await accepts(v, token);
    const { rows, id } = issuer.log;
    issuer.log = Object.assign(new SignedLog(), { rows, id });
    issuer.revoke(2, "sid-1");
    await until("the revocation", async () => (await verdict(v, token)) === "revoked");
  });
});

test("asking instead of following: in the request, and seldom", async () => {
  const v = verifier({ revocation: "ask", askAfter: 0 });
  const token = await issuer.token();
  expect(issuer.asked).toEqual([]);
  expect(await verdict(v, token)).toBe("accepted");
  issuer.log.add(2, "sid-1");
  expect(await verdict(v, token)).toBe("revoked");
  const seldom = verifier({ revocation: "ask", askAfter: 20 });
  const other = await issuer.token({ sid: "sid-2" });
  for (let i = 0; i < 5; i++) expect(await verdict(seldom, other)).toBe("accepted");
  issuer.log.add(2, "sid-2");
  expect(await verdict(seldom, other)).toBe("accepted"); // known for askAfter, as it says
});

test("those who ask together ask once", async () => {
  let passed = 0;
  const v = verifier({ revocation: "ask", now: () => Date.now() + passed });
  issuer.log.now = () => Date.now() + passed;
  const token = await issuer.token();
  await accepts(v, token);
  const asked = () => issuer.asked.filter((path) => path === "/log").length;
  const before = asked();
  passed = 6000; // more than askAfter
  expect(await Promise.all(Array.from({ length: 50 }, () => verdict(v, token)))).toEqual(Array(50).fill("accepted"));
  expect(asked() - before).toBe(1);
});

test("unchecked asks for no revocations", async () => {
  issuer.log.add(2, "sid-1");
  expect(await verdict(await ready({ revocation: "unchecked" }), await issuer.token())).toBe("accepted");
  expect(issuer.asked).not.toContain("/log");
});

test("a log in parts counts when the last one is there", async () => {
  issuer.limit = 3;
  for (let i = 0; i < 20; i++) issuer.log.add(2, "sid-" + (i + 100));
  issuer.log.add(2, "sid-1");
  const v = await ready();
  expect(await verdict(v, await issuer.token())).toBe("revoked");
  expect(await verdict(v, await issuer.token({ sid: "sid-105" }))).toBe("revoked");
  expect(await verdict(v, await issuer.token({ sid: "sid-2" }))).toBe("accepted");
  expect(v.stats()).toMatchObject({ fresh: true, sequence: 21, revoked: 21 });
});

test.each([
  [{ audience: [] }, "audience"],
  [{ audience: "" }, "audience"],
  [{ leeway: 61 }, "leeway"],
  [{ leeway: 61, revocation: "ask" as const }, "leeway"],
  [{ leeway: 301, revocation: "unchecked" as const }, "leeway"],
  [{ maxStale: 0 }, "maxStale"],
  [{ maxStale: NaN }, "maxStale"],
  [{ stale: "introspect" as const }, "credentials"],
  [{ stale: "accept" as never }, "stale must be one of reject, introspect, acceptUntilExpiry"],
  [{ revocation: "poll" as never }, 'revocation must be "follow", "ask" or "unchecked", not "poll"'],
])("options that make no sense are refused: %j", (options, what) => {
  expect(() => verifier(options)).toThrow(what);
});

test("a leeway ends before the log forgets, where there is one", () => {
  verifier({ leeway: 60 });
  verifier({ leeway: 300, revocation: "unchecked" });
});
