// The revocation log as bytes: what is read, what is believed, and what never is.
import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { describe, expect, test } from "vitest";
import { events } from "../src/verify/events.ts";
import { BehindError, RevocationLog } from "../src/verify/log.ts";
import { chainStart, decodePage, LogError, logName, signedPart } from "../src/verify/page.ts";
import { decode64, encode64 } from "../src/verify/bytes.ts";
import { hashOf, newLogKey, SignedLog } from "./issuer.ts";

// What a Writ server answered, and its log key.
const real = {
  log: "zNdMfktr7OEAEY5QTuRRFA", first: 1, head: 0, time: 1795397212, entries: [], more: false,
  prev: "-T-UQuWekJ6IIRstuqdmaA55yGpymBshTyc8JsSd6bQ", chain: "-T-UQuWekJ6IIRstuqdmaA55yGpymBshTyc8JsSd6bQ",
  time_ms: 1795397212882, key: "5C9uALQOzxEhNK4bOMjYoW6QVdcIY-b7gblvwAEtzrs",
  sig: "aXpNRwx3kxsbQoOiC0iRaziAjqo6vX97WUlzdxhbXDs6D27IwXPvDbHVxzDSfAhfjae8lLJw0q25IukOQQ8iBw",
};
const realKey = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: "jmWFHYgUJZNx02pwck60-E8SQ1jyAcY4A-PIrbbsJ3I" } });

test("a page of a real server has its chain and its signature", async () => {
  const page = decodePage(JSON.stringify(real));
  expect(encode64(await chainStart(page.log))).toBe(real.chain);
  expect(verify(null, signedPart(page), realKey, page.sig)).toBe(true);
  expect(verify(null, signedPart({ ...page, first: 2 }), realKey, page.sig)).toBe(false);
});

test("names of identifiers", async () => {
  // printf '\002\000sid-1' | sha256sum
  expect(Buffer.from(await logName(2, "sid-1")).toString("hex")).toBe("721ff39fca327afc70a89a1e44abef43");
});

describe("what is no page", () => {
  const one = { ...real, head: 1, entries: [[1, 2, "AAAAAAAAAAAAAAAAAAAAAA", 5]] };
  test.each<[string, unknown]>([
    ["nothing", undefined], ["null", null], ["an array", []], ["a text", "x"],
    ["no log", { ...real, log: undefined }], ["an empty name", { ...real, log: "" }], ["a long name", { ...real, log: "é".repeat(65) }],
    ["no signature", { ...real, sig: undefined }], ["a short one", { ...real, sig: real.sig.slice(1) }],
    ["a negative head", { ...real, head: -1 }], ["a head of a half", { ...real, head: 0.5 }], ["a head as text", { ...real, head: "0" }],
    ["a head past what a double holds", { ...real, head: 2 ** 53 }],
    ["first 0", { ...real, first: 0 }], ["first past the head", { ...real, first: 2 }],
    ["more after nothing", { ...real, more: true }], ["more as a number", { ...real, more: 0 }],
    ["an entry past the head", { ...real, entries: [[1, 2, "AAAAAAAAAAAAAAAAAAAAAA", 5]] }],
    ["an end before the head", { ...one, head: 2 }], ["more after the head", { ...one, more: true }],
    ["number 0", { ...one, head: 0, entries: [[0, 2, "AAAAAAAAAAAAAAAAAAAAAA", 5]] }],
    ["a gap", { ...one, head: 3, entries: [[1, 2, "AAAAAAAAAAAAAAAAAAAAAA", 5], [3, 2, "AAAAAAAAAAAAAAAAAAAAAA", 5]] }],
    ["three members", { ...one, entries: [[1, 2, "AAAAAAAAAAAAAAAAAAAAAA"]] }], ["five", { ...one, entries: [[1, 2, "AAAAAAAAAAAAAAAAAAAAAA", 5, 6]] }],
    ["kind 256", { ...one, entries: [[1, 256, "AAAAAAAAAAAAAAAAAAAAAA", 5]] }], ["a negative expiry", { ...one, entries: [[1, 2, "AAAAAAAAAAAAAAAAAAAAAA", -1]] }],
    ["a hash in another writing", { ...one, entries: [[1, 2, "AAAAAAAAAAAAAAAAAAAAAB", 5]] }], ["a hash with padding", { ...one, entries: [[1, 2, "AAAAAAAAAAAAAAAAAAAA==", 5]] }],
    ["too many entries", { ...one, head: 10_001, entries: Array.from({ length: 10_001 }, (_, i) => [i + 1, 2, "AAAAAAAAAAAAAAAAAAAAAA", 5]) }],
  ])("%s", (_, value) => {
    expect(decodePage(JSON.stringify(one)).entries[0]!.seq).toBe(1);
    expect(() => decodePage(JSON.stringify(value) ?? "")).toThrow(LogError);
  });

  test("what is too long", () => expect(() => decodePage(JSON.stringify(real) + " ".repeat(1 << 20))).toThrow(LogError));
});

/** A log that believes a key, on a clock that only the test moves. */
function follower(signed: SignedLog, maxStale = 30_000) {
  const clock = { wall: 1_800_000_000_000, machine: 0 };
  signed.now = () => clock.wall;
  const key: KeyObject = signed.key.public;
  const log = new RevocationLog({ now: () => clock.wall, monotonic: () => clock.machine }, maxStale, 30_000, async (page) => page.key === signed.key.kid && verify(null, signedPart(page), key, page.sig));
  return { clock, log, take: (page: object) => log.apply(decodePage(JSON.stringify(page))) };
}

function pass(clock: { wall: number; machine: number }, ms: number): void {
  clock.wall += ms;
  clock.machine += ms;
}

describe("freshness", () => {
  test("ends after maxStale, and comes back", async () => {
    const signed = new SignedLog();
    const { clock, log, take } = follower(signed);
    expect([log.fresh, log.complete, log.age]).toEqual([false, false, Infinity]);
    await take(signed.page(0));
    expect([log.fresh, log.complete, log.age]).toEqual([true, true, 0]);
    pass(clock, 30_000);
    expect(log.fresh).toBe(true);
    pass(clock, 1);
    expect(log.fresh).toBe(false);
    await take(signed.page(0));
    expect(log.fresh).toBe(true);
  });

  test("is of the time that was signed, not of the arrival", async () => {
    const signed = new SignedLog();
    const { clock, log, take } = follower(signed);
    const held = signed.page(0);
    pass(clock, 25_000);
    await take(held);
    expect(log.age).toBe(20_000); // clocks may differ by 5 s
    pass(clock, 10_001);
    expect(log.fresh).toBe(false);
    await expect(take(held)).rejects.toThrow(LogError);
    expect(log.fresh).toBe(false);
  });

  test("isn't had from an answer that is repeated", async () => {
    const signed = new SignedLog();
    const { clock, log, take } = follower(signed);
    const page = signed.page(0);
    await take(page);
    for (let i = 0; i < 7; i++) {
      pass(clock, 5000);
      await take(page).catch(() => {});
    }
    expect(log.fresh).toBe(false);
  });

  test("survives no clock that is set back, or forward", async () => {
    const signed = new SignedLog();
    const { clock, log, take } = follower(signed);
    await take(signed.page(0));
    clock.wall -= 600_000;
    expect(log.fresh).toBe(false);
    clock.wall += 600_000;
    expect(log.fresh).toBe(true);
    pass(clock, 40_000);
    clock.wall -= 40_000; // by the wall nothing has passed
    expect(log.fresh).toBe(false);
    clock.wall += 600_000;
    expect(log.fresh).toBe(false);
  });

  test("isn't made by a head of another time", async () => {
    const signed = new SignedLog();
    const { clock, log, take } = follower(signed);
    const page = signed.page(0);
    clock.wall += 31_000;
    await expect(take(page)).rejects.toThrow("clock");
    clock.wall -= 62_000;
    await expect(take(page)).rejects.toThrow("clock");
    expect(log.fresh).toBe(false);
  });

  test("an unknown critical kind ends it until that expires; others are passed over", async () => {
    const signed = new SignedLog();
    const { clock, log, take } = follower(signed);
    signed.add(128, "x", 0);
    signed.add(200, "x", 0);
    await take(signed.page(0));
    expect(log.fresh).toBe(true);
    pass(clock, 1000);
    signed.add(5, "x", clock.wall / 1000 + 100);
    await expect(take(signed.page(2))).rejects.toThrow("unknown");
    expect(log.fresh).toBe(false);
    pass(clock, 100_000);
    await expect(take(signed.page(3))).rejects.toThrow("unknown"); // it is in force to the last second
    pass(clock, 1000);
    await take(signed.page(3));
    expect(log.fresh).toBe(true);
    signed.add(127, "x", 0);
    pass(clock, 1000);
    await expect(take(signed.page(3))).rejects.toThrow("unknown");
    pass(clock, 1e9);
    await take(signed.page(4)).catch(() => {});
    expect(log.fresh).toBe(false);
  });
});

describe("what a log believes", () => {
  const name = (id: string) => [hashOf(2, id)];

  test("entries in parts, when the head is reached", async () => {
    const signed = new SignedLog();
    for (let i = 1; i <= 5; i++) signed.add(2, "sid-" + i, 0);
    const { log, take } = follower(signed);
    await take(signed.page(0, 2));
    await take(signed.page(2, 2));
    expect([log.revoked(name("sid-1")), log.complete, log.fresh, log.after]).toEqual([false, false, false, 4]);
    await take(signed.page(4, 2));
    expect([log.revoked(name("sid-1")), log.revoked(name("sid-5")), log.fresh, log.size]).toEqual([true, true, true, 5]);
  });

  test("what is over is left out, and forgotten", async () => {
    const signed = new SignedLog();
    const { clock, log, take } = follower(signed);
    signed.add(2, "sid-1", clock.wall / 1000 + 60);
    signed.add(2, "sid-2", clock.wall / 1000 + 9999);
    signed.add(2, "sid-2", clock.wall / 1000 + 60); // the later expiry counts
    await take(signed.page(0));
    pass(clock, 60_000);
    log.prune();
    expect(log.revoked(name("sid-1"))).toBe(true); // as long as the leeway
    pass(clock, 31_000);
    log.prune();
    expect(log.size).toBe(2); // as long as no head says how late it is
    await take(signed.page(3));
    log.prune();
    expect([log.revoked(name("sid-1")), log.revoked(name("sid-2")), log.size]).toEqual([false, true, 1]);
    const late = follower(signed);
    late.clock.wall = clock.wall;
    signed.now = () => clock.wall;
    signed.first = 2;
    await late.take(signed.page(0));
    expect([late.log.fresh, late.log.size, late.log.after]).toEqual([true, 1, 3]);
  });

  test("a clock that leaps forward for a while makes nothing be forgotten", async () => {
    const signed = new SignedLog();
    const { clock, log, take } = follower(signed);
    signed.add(2, "sid-1", clock.wall / 1000 + 900);
    await take(signed.page(0));
    const right = clock.wall;
    signed.now = () => right + clock.machine; // the server's clock doesn't leap
    clock.wall += 3_600_000;
    pass(clock, 60_000);
    await expect(take(signed.page(1))).rejects.toThrow("clock");
    log.prune();
    clock.wall -= 3_600_000;
    await take(signed.page(1));
    expect([log.fresh, log.revoked(name("sid-1"))]).toEqual([true, true]);
  });

  test("an older head does no harm, a lower one that stays is another history", async () => {
    const signed = new SignedLog();
    const { clock, log, take } = follower(signed);
    const older = signed.page(0);
    signed.add(2, "sid-1", 0);
    await take(signed.page(0));
    await expect(take(older)).rejects.toThrow(BehindError);
    expect([log.after, log.fresh]).toEqual([1, true]);
    pass(clock, 6000);
    signed.rows = [];
    await expect(take(signed.page(0))).rejects.toThrow("set back");
    expect([log.fresh, log.revoked(name("sid-1"))]).toEqual([false, true]);
    pass(clock, 1000);
    await take(signed.page(0));
    expect([log.fresh, log.revoked(name("sid-1"))]).toEqual([true, true]);
  });

  test("no page that somebody has changed, however: nothing is believed that wasn't signed", async () => {
    const signed = new SignedLog();
    for (let i = 1; i <= 6; i++) signed.add(2, "sid-" + i, 0);
    const honest = new Set(signed.rows.map(([, , hash]) => hash));
    follower(signed); // sets its clock
    const text = JSON.stringify(signed.page(0));
    let taken = 0;
    for (let round = 0; round < 4000; round++) {
      const { log } = follower(signed);
      const changed = mutate(JSON.parse(text), text, random(round));
      try {
        await log.apply(decodePage(changed));
        taken++;
      } catch (error) {
        expect(error).toBeInstanceOf(LogError);
        expect(log.fresh).toBe(false);
        continue;
      }
      // It says what the honest one says.
      expect([log.fresh, log.size, log.after]).toEqual([true, 6, 6]);
      for (const hash of honest) expect(log.revoked([hash])).toBe(true);
    }
    expect(taken).toBeLessThan(2000);
  });

  test("another key's signature", async () => {
    const signed = new SignedLog();
    const { take } = follower(signed);
    signed.key = { ...newLogKey(), kid: signed.key.kid };
    await expect(take(signed.page(0))).rejects.toThrow("signed");
  });

  test("of two answers at once one counts", async () => {
    const signed = new SignedLog();
    signed.add(2, "sid-1", 0);
    const { log, take } = follower(signed);
    const page = signed.page(0);
    const both = await Promise.allSettled([take(page), take(page)]);
    // Their signatures are checked at once, and either may be through first.
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect([log.fresh, log.size]).toEqual([true, 1]);
  });
});

/** A generator of numbers below 1, the same for the same seed. */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A page as a hostile relay would pass it on. */
function mutate(any: Record<string, any>, text: string, rand: () => number): string {
  const pick = (n: number) => Math.floor(rand() * n);
  switch (pick(8)) {
    case 0: { // bytes
      const bytes = Buffer.from(text);
      for (let i = pick(3); i >= 0; i--) bytes[pick(bytes.length)] = pick(256);
      return bytes.toString();
    }
    case 1:
      return text.slice(0, pick(text.length));
    case 2:
      any.entries.splice(pick(6), 1);
      return JSON.stringify(any);
    case 3: {
      const [a, b] = [pick(6), pick(6)];
      [any.entries[a][2], any.entries[b][2]] = [any.entries[b][2], any.entries[a][2]];
      return JSON.stringify(any);
    }
    case 4:
      any.entries[pick(6)][pick(4)] = [0, 1, 2, 3, 7, 130, 1e9, "AAAAAAAAAAAAAAAAAAAAAA"][pick(8)];
      return JSON.stringify(any);
    case 5:
      any[["log", "first", "head", "time_ms", "more", "key"][pick(6)]!] = [0, 1, 2, 6, 7, true, false, "x", 1_800_000_000_001][pick(9)];
      return JSON.stringify(any);
    case 6: // renumbered, as if the first ones were over
      any.entries = any.entries.slice(pick(6));
      return JSON.stringify(any);
    default: { // the same bits, written otherwise
      const at = pick(6);
      const last = any.entries[at][2].at(-1)!;
      any.entries[at][2] = any.entries[at][2].slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1 + pick(3));
      return JSON.stringify(any);
    }
  }
}

describe("a stream of events", () => {
  async function read(chunks: Uint8Array[]): Promise<string[]> {
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        controller.close();
      },
    });
    const all: string[] = [];
    for await (const data of events(stream)) all.push(data);
    return all;
  }
  const bytes = (text: string) => new TextEncoder().encode(text);

  const text = ": hello\n\nid: 1\ndata: {\"ä\":1}\n\nack: wanted\r\nid: 2\r\ndata:two\r\n\r\n\n\ndata\n\nevent: x\n\ndata: not whole\n";

  test("comes in pieces of any length", async () => {
    const all = bytes(text);
    for (let size = 1; size <= all.length; size++) {
      const chunks = [];
      for (let at = 0; at < all.length; at += size) chunks.push(all.slice(at, at + size));
      expect(await read(chunks)).toEqual(['{"ä":1}', "two", ""]);
    }
  });

  test("has one line of data an event, of a bounded length", async () => {
    await expect(read([bytes("data: a\ndata: b\n\n")])).rejects.toThrow(LogError);
    const long = Array.from({ length: 40 }, () => bytes("x".repeat(32 << 10)));
    await expect(read([bytes("data: "), ...long])).rejects.toThrow(LogError);
    await expect(read(long.map(() => bytes(": " + "x".repeat(32 << 10) + "\n")))).rejects.toThrow(LogError);
  });
});

test("base64url has one writing", () => {
  expect(encode64(decode64("AAECAwQFBgcICQoLDA0ODw", 16)!)).toBe("AAECAwQFBgcICQoLDA0ODw");
  for (const text of ["AAECAwQFBgcICQoLDA0ODx", "AAECAwQFBgcICQoLDA0OD", "AAECAwQFBgcICQoLDA0OD=", "AAECAwQFBgcICQoLDA0O/w", 5, undefined]) expect(decode64(text, 16)).toBeUndefined();
});
