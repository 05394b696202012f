// Keys and discovery where a runtime takes away what was under way: an edge
// function's fetch ends with the request that began it, and so do its timers.
import { expect, test } from "vitest";
import { Issuer } from "../src/verify/discovery.ts";
import { KeySet } from "../src/verify/keys.ts";
import { newSigningKey } from "./issuer.ts";

const issuer = "https://auth.example.com";
const key = newSigningKey();
const answers: Record<string, object> = {
  [issuer + "/.well-known/openid-configuration"]: { issuer, jwks_uri: issuer + "/jwks" },
  [issuer + "/jwks"]: { keys: [{ ...key.public.export({ format: "jwk" }), alg: "ES256", kid: "a" }] },
};

test.each(Object.keys(answers))("a question that never ends is given up, and asked again: %s", async (silent) => {
  let time = 1000;
  let dead = true;
  const asked: string[] = [];
  const outside = {
    now: () => time,
    monotonic: () => time,
    fetch: (async (url: string) => {
      asked.push(url);
      return dead && url === silent ? new Promise<never>(() => {}) : Response.json(answers[url]);
    }) as typeof fetch,
  };
  const read = new Issuer(outside, issuer);
  const keys = new KeySet(outside, async () => (await read.document).jwks, { algorithms: ["ES256"], maxAge: 600_000, maxStale: 86_400_000, cooldown: 30_000, maxWait: 10, background: false });
  await expect(keys.find("ES256", "a")).rejects.toThrow("out of reach");
  dead = false;
  time += 29_000;
  await expect(keys.find("ES256", "a")).rejects.toThrow("out of reach");
  time += 2000;
  // It may take longer than maxWait, which is short here.
  let found;
  for (let i = 0; i < 1000 && !found; i++) found = await keys.find("ES256", "a").catch(() => undefined);
  expect(found?.kid).toBe("a");
  expect(asked.filter((url) => url === silent)).toHaveLength(2);
});
