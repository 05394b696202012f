// An issuer of a few hundred lines over real HTTP: keys, discovery, and a
// revocation log that it chains and signs with node:crypto, not with the code
// under test. It can be cut off, lie, and be restored from a back-up.
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { SignJWT } from "jose";

export const audience = "https://api.example.com";

export type Row = [seq: number, kind: number, hash: string, expiry: number];

const sha256 = (...parts: (Buffer | string)[]) => createHash("sha256").update(Buffer.concat(parts.map((part) => Buffer.from(part as string)))).digest();

function uint64(n: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt(n));
  return buffer;
}

export function hashOf(kind: number, id: string): string {
  return sha256(Buffer.from([kind, 0]), id).subarray(0, 16).toString("base64url");
}

export interface LogKey {
  kid: string;
  private: KeyObject;
  public: KeyObject;
}

export function newLogKey(): LogKey {
  const pair = generateKeyPairSync("ed25519");
  return { kid: randomBytes(8).toString("base64url"), private: pair.privateKey, public: pair.publicKey };
}

/** A log and its signer. */
export class SignedLog {
  id = randomBytes(16).toString("base64url");
  rows: Row[] = [];
  first = 1;
  key = newLogKey();
  now = () => Date.now();

  add(kind: number, id: string, expiry = Math.floor(this.now() / 1000) + 3600): number {
    return this.addHash(kind, hashOf(kind, id), expiry);
  }

  addHash(kind: number, hash: string, expiry: number): number {
    this.rows.push([this.rows.length + 1, kind, hash, expiry]);
    return this.rows.length;
  }

  chain(seq = this.rows.length): Buffer {
    let chain = sha256("writ-log\0", this.id);
    for (const [n, kind, hash, expiry] of this.rows.slice(0, seq)) {
      chain = sha256(chain, uint64(n), Buffer.from([kind]), Buffer.from(hash, "base64url"), uint64(expiry));
    }
    return chain;
  }

  page(after: number, limit = 5000) {
    const from = Math.max(after, this.first - 1);
    const entries = this.rows.slice(from, from + limit);
    const head = this.rows.length;
    const time = this.now();
    const chain = this.chain();
    const message = Buffer.concat([Buffer.from("writ-log-head-v1\0"), uint64(Buffer.byteLength(this.id)), Buffer.from(this.id), uint64(head), chain, uint64(this.first), uint64(time)]);
    return {
      log: this.id,
      first: this.first,
      head,
      time: Math.floor(time / 1000),
      entries,
      more: from + entries.length < head,
      prev: this.chain(from).toString("base64url"),
      chain: chain.toString("base64url"),
      time_ms: time,
      key: this.key.kid,
      sig: sign(null, message, this.key.private).toString("base64url"),
    };
  }
}

export class TestIssuer {
  log = new SignedLog();
  signing = newSigningKey();
  /** What becomes of requests for a path, instead of the answer. */
  way: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined;
  limit = 5000;
  streamed = true;
  asked: string[] = [];
  active = true; // what introspection answers
  #streams = new Set<{ res: ServerResponse; after: number }>();
  #sockets = new Set<Socket>();
  #server = createServer((req, res) => this.#serve(req, res));
  #beat: ReturnType<typeof setInterval> | undefined;
  url = "";

  async start(): Promise<this> {
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    this.#beat = setInterval(() => this.publish(), 100);
    return this;
  }

  stop(): void {
    clearInterval(this.#beat);
    this.cut();
    this.#server.close();
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  publish(): void {
    for (const stream of this.#streams) {
      const page = this.log.page(stream.after, this.limit);
      stream.after = page.more ? page.entries.at(-1)![0] : page.head;
      stream.res.write(`id: ${stream.after}\ndata: ${JSON.stringify(page)}\n\n`);
    }
  }

  revoke(kind: number, id: string): void {
    this.log.add(kind, id);
    this.publish();
  }

  async token(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key = this.signing.private): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const jwt = new SignJWT({
      iss: this.url, sub: "usr_1", aud: audience, client_id: "writ", jti: randomBytes(16).toString("base64url"), sid: "sid-1", epochs: ["epoch-u", "epoch-c"],
      iat: now, exp: now + 900, roles: ["editor"], scope: "orders.read orders.write", ...claims,
    });
    return jwt.setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: this.signing.kid, ...header }).sign(key);
  }

  #serve(req: IncomingMessage, res: ServerResponse): void {
    const url = new URL(req.url!, this.url);
    this.asked.push(url.pathname);
    if (this.way?.(req, res)) return;
    const json = (value: unknown, headers = {}) => {
      res.writeHead(200, { "Content-Type": "application/json", ...headers });
      res.end(JSON.stringify(value));
    };
    switch (url.pathname) {
      case "/.well-known/openid-configuration":
        return json({ issuer: this.url, jwks_uri: this.url + "/jwks", writ_revocations_endpoint: this.url + "/log", writ_revocation_keys_endpoint: this.url + "/log-keys", introspection_endpoint: this.url + "/introspect" });
      case "/jwks":
        return json({ keys: [{ ...this.signing.public.export({ format: "jwk" }), alg: "ES256", use: "sig", kid: this.signing.kid }] }, { "Cache-Control": "max-age=600" });
      case "/log-keys":
        return json({ keys: [{ ...this.log.key.public.export({ format: "jwk" }), alg: "EdDSA", use: "sig", kid: this.log.key.kid }] });
      case "/introspect":
        return json({ active: this.active });
      case "/log":
        return this.#log(url, req, res);
    }
    res.writeHead(404).end();
  }

  #log(url: URL, req: IncomingMessage, res: ServerResponse): void {
    const after = Number(url.searchParams.get("after"));
    if (this.streamed && req.headers.accept?.startsWith("text/event-stream")) {
      res.writeHead(200, { "Content-Type": "text/event-stream" });
      const stream = { res, after };
      this.#streams.add(stream);
      res.once("close", () => this.#streams.delete(stream));
      this.publish();
      return;
    }
    const answer = () => {
      res.writeHead(200, { "Content-Type": "application/json" });
      res.end(JSON.stringify(this.log.page(after, this.limit)));
    };
    const wait = parseInt(url.searchParams.get("wait") ?? "0");
    if (!wait || this.log.rows.length > after) return answer();
    const poll = setInterval(() => this.log.rows.length > after && done(), 10);
    const timer = setTimeout(() => done(), wait);
    const done = () => {
      clearInterval(poll);
      clearTimeout(timer);
      answer();
    };
  }
}

export function newSigningKey() {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { kid: randomBytes(8).toString("base64url"), private: pair.privateKey, public: pair.publicKey };
}

/** Waits until a condition holds that another process or connection brings about. */
export async function until(what: string, holds: () => unknown): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
