import { concat, decode64, sha256, uint64, utf8, type Bytes } from "./bytes.ts";

/** What an entry revokes. Kinds below 128 are critical: one that isn't known may mean any token. */
export const kinds = { token: 1, session: 2, epoch: 3, key: 4 } as const;

export interface Entry {
  seq: number;
  kind: number;
  hash: Bytes; // of kind and identifier, 16 bytes
  expiry: number; // unix seconds until which to keep it; 0: for ever
}

/** One answer of the revocation log, whose head is signed. */
export interface Page {
  log: string;
  first: number; // nothing below is in force
  head: number; // the highest number
  entries: Entry[];
  more: boolean;
  prev: Bytes; // the chain before the entries
  chain: Bytes; // the chain at the head
  timeMs: number;
  key: string;
  sig: Bytes;
}

export const maxBytes = 1 << 20;
const maxEntries = 10_000;

/** What every refusal of a log is. */
export class LogError extends Error {
  override readonly name = "LogError";
}

/**
 * Reads a page, or throws a LogError. That JSON.parse takes a repeated member,
 * or 1e0 for 1, does no harm: whatever is read counts only when the chain over it
 * ends in a head that was signed.
 */
export function decodePage(text: string): Page {
  if (text.length > maxBytes) throw new LogError("too long");
  let raw: Record<string, unknown>;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new LogError("not JSON");
  }
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) throw new LogError("not an object");
  const page: Page = {
    log: name(raw.log),
    first: count(raw.first),
    head: count(raw.head),
    entries: entries(raw.entries),
    more: boolean(raw.more),
    prev: bytes(raw.prev, 32),
    chain: bytes(raw.chain, 32),
    timeMs: count(raw.time_ms),
    key: name(raw.key),
    sig: bytes(raw.sig, 64),
  };
  check(page);
  return page;
}

function name(value: unknown): string {
  if (typeof value !== "string" || value === "" || utf8(value).length > 128) throw new LogError("a name");
  return value;
}

/** A number that a double holds exactly: 285,000 years of revocations each microsecond would be more. */
function count(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new LogError("a number");
  return value as number;
}

function boolean(value: unknown): boolean {
  if (typeof value !== "boolean") throw new LogError("a truth value");
  return value;
}

function bytes(value: unknown, length: number): Bytes {
  const read = decode64(value, length);
  if (!read) throw new LogError("bytes, or a page without a signature");
  return read;
}

function entries(value: unknown): Entry[] {
  if (!Array.isArray(value) || value.length > maxEntries) throw new LogError("entries");
  return value.map((raw: unknown) => {
    if (!Array.isArray(raw) || raw.length !== 4) throw new LogError("an entry");
    const entry = { seq: count(raw[0]), kind: count(raw[1]), hash: bytes(raw[2], 16), expiry: count(raw[3]) };
    if (entry.kind > 255) throw new LogError("a kind");
    return entry;
  });
}

/** Refuses a page that contradicts itself. */
function check(page: Page): void {
  const { entries, head, first, more } = page;
  if (first === 0 || first > head + 1) throw new LogError("first number");
  if (entries.some((entry, i) => entry.seq !== entries[0]!.seq + i)) throw new LogError("a gap");
  const last = entries.at(-1)?.seq;
  if (last === undefined ? more : last > head || more !== last < head) throw new LogError("an end that isn't the head");
  if (entries[0]?.seq === 0) throw new LogError("number 0");
}

/** The number up to which a page goes. */
export function lastOf(page: Page): number {
  return page.more ? page.entries.at(-1)!.seq : page.head;
}

/** The chain before the first entry of a log. */
export function chainStart(log: string): Promise<Bytes> {
  return sha256(concat(utf8("writ-log\0"), utf8(log)));
}

/** The chain after a page's entries. */
export async function chainAfter(page: Page): Promise<Bytes> {
  let chain = page.prev;
  for (const { seq, kind, hash, expiry } of page.entries) {
    chain = await sha256(concat(chain, uint64(seq), kind, hash, uint64(expiry)));
  }
  return chain;
}

/** What a log key signs of a page: that it isn't about its entries is why there is the chain. */
export function signedPart({ log, head, chain, first, timeMs }: Page): Bytes {
  const id = utf8(log);
  return concat(utf8("writ-log-head-v1\0"), uint64(id.length), id, uint64(head), chain, uint64(first), uint64(timeMs));
}

/** The name under which an identifier of a token stands in the log. */
export async function logName(kind: number, id: string): Promise<Bytes> {
  return (await sha256(concat(kind, 0, utf8(id)))).slice(0, 16);
}
