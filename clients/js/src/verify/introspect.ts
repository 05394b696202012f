import type { Issuer } from "./discovery.ts";
import { backoff, fetchText } from "./http.ts";

export interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** How many questions may be under way at an issuer, which is in trouble when they are asked. */
const most = 32;

/** Asks an issuer whether a token is active (RFC 7662). */
export class Introspection {
  readonly #issuer: Issuer;
  readonly #credentials: ClientCredentials;
  #underWay = new Map<string, Promise<boolean>>();
  #failures = 0;
  #until = 0;

  constructor(issuer: Issuer, credentials: ClientCredentials) {
    this.#issuer = issuer;
    this.#credentials = credentials;
  }

  /** Rejects if that can't be known: the issuer doesn't say, or has just failed to. */
  async active(token: string): Promise<boolean> {
    const begun = this.#underWay.get(token);
    if (begun) return begun;
    if (this.#underWay.size >= most || this.#issuer.outside.monotonic() < this.#until) throw new Error("introspection pauses");
    const question = this.#ask(token);
    this.#underWay.set(token, question);
    try {
      const answer = await question;
      this.#failures = 0;
      return answer;
    } catch (error) {
      this.#until = this.#issuer.outside.monotonic() + backoff(++this.#failures);
      throw error;
    } finally {
      this.#underWay.delete(token);
    }
  }

  async #ask(token: string): Promise<boolean> {
    const { introspection } = await this.#issuer.document;
    if (!introspection) throw new Error("the issuer names no introspection endpoint");
    const { clientId, clientSecret } = this.#credentials;
    const { status, body } = await fetchText(
      this.#issuer.outside,
      introspection,
      {
        method: "POST",
        body: new URLSearchParams({ token, token_type_hint: "access_token" }),
        headers: { Accept: "application/json", Authorization: "Basic " + btoa(`${form(clientId)}:${form(clientSecret)}`) },
      },
      64 << 10,
      2000,
    );
    if (status !== 200) throw new Error(`introspection: ${status}`);
    return JSON.parse(body)?.active === true;
  }
}

/** As RFC 6749, section 2.3.1, wants names and secrets in Basic authentication. */
function form(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}
