import { address, fetchText, json, lost, type Outside } from "./http.ts";

/** What a verifier needs of an issuer's metadata (RFC 8414); undefined what isn't there. */
export interface Discovery {
  jwks: string;
  log: string | undefined;
  logKeys: string | undefined;
  introspection: string | undefined;
}

/** Reads the discovery document, which must name the issuer: else one host could speak for another. */
export async function discover(outside: Outside, issuer: string, signal?: AbortSignal): Promise<Discovery> {
  const url = issuer.replace(/\/$/, "") + "/.well-known/openid-configuration";
  const { status, body } = await fetchText(outside, url, { headers: { Accept: "application/json" }, ...(signal && { signal }) }, 256 << 10);
  if (status !== 200) throw new Error(`${url} answered ${status}`);
  const doc = json(url, body);
  if (doc?.issuer !== issuer) throw new Error(`${url} names the issuer ${JSON.stringify(doc?.issuer)?.slice(0, 200)}, not ${JSON.stringify(issuer)}`);
  const optional = (value: unknown) => (value === undefined ? undefined : address(value));
  return {
    jwks: address(doc.jwks_uri),
    log: optional(doc.writ_revocations_endpoint),
    logKeys: optional(doc.writ_revocation_keys_endpoint),
    introspection: optional(doc.introspection_endpoint),
  };
}

interface Question {
  at: number; // by the machine's count
  known: boolean;
  read: Promise<Discovery>;
}

/** The document, fetched once and again when somebody has reason to doubt it. */
export class Issuer {
  readonly url: string;
  readonly outside: Outside;
  #document: Question | undefined;

  constructor(outside: Outside, url: string) {
    this.outside = outside;
    this.url = address(url);
  }

  get document(): Promise<Discovery> {
    const now = this.outside.monotonic();
    if (this.#document && (this.#document.known || now - this.#document.at < lost)) return this.#document.read;
    const document: Question = (this.#document = { at: now, known: false, read: discover(this.outside, this.url) });
    document.read.then(
      () => (document.known = true),
      () => this.#document === document && this.forget(),
    );
    return document.read;
  }

  forget(): void {
    this.#document = undefined;
  }
}
