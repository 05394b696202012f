// A model of the server: what it answers, and the rotation of refresh tokens as
// the server's own rotation function has it.
import type { Request, Answered } from "./world.ts";

export interface Grant {
  id: string;
  user: { id: string; email: string };
  mode: string;
  confirmed: number;
  current: number;
  issued: number;
  ended?: string;
}

/** One browser's cookies. */
export type Jar = Map<string, { value: string; expires: number }>;

export class Server {
  grants = new Map<string, Grant>();
  /** How often each verdict was reached. */
  verdicts: Record<string, number> = {};
  life = 900;
  idle = 604_800;
  grace = 30_000;
  #made = 0;
  readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  /** Signs in past the browser, for tests that begin with cookies in the jar. */
  begin(jar: Jar, email = "alice@example.com"): Grant {
    const grant = this.#begin(email, "cookie");
    this.#issue(grant, jar);
    return grant;
  }

  answer(request: Request): Answered {
    const { path } = request;
    if (path === "/v1/login") return this.#login(request);
    if (path === "/v1/refresh") return this.#refresh(request);
    if (path === "/v1/logout") return this.#logout(request);
    if (path === "/v1/logout-all") return this.#logoutAll(request);
    const grant = this.#holder(request);
    if (!grant) return refusal("unauthenticated");
    if (grant.ended) return refusal("session_ended");
    return { status: 200, body: { ...person(grant), session_id: grant.id, permissions: [] } };
  }

  end(grant: Grant, why: string): void {
    grant.ended ??= why;
  }

  #begin(email: string, mode: string): Grant {
    const id = "ses_" + ++this.#made;
    const grant: Grant = { id, user: { id: "usr_" + email, email }, mode, confirmed: 0, current: 0, issued: this.now() };
    this.grants.set(id, grant);
    return grant;
  }

  #login({ body }: Request): Answered {
    if (body?.password !== "right") return refusal("invalid_credentials");
    return this.#issue(this.#begin(String(body.email), String(body.mode)));
  }

  #refresh({ body, jar }: Request): Answered {
    const token = String(body?.refresh_token ?? jar.get("rt")?.value ?? "");
    if (!token) return refusal("unauthenticated");
    const [id, generation] = token.split(".");
    const grant = this.grants.get(id!);
    if (!grant) return refusal("invalid_token");
    if (grant.ended) return refusal("session_ended");
    return this.#rotate(grant, Number(generation));
  }

  #rotate(grant: Grant, presented: number): Answered {
    let verdict = "repeat";
    if (presented > grant.current) verdict = "state_lost";
    else if (presented === grant.current) verdict = "rotate";
    else if (presented !== grant.confirmed) verdict = "theft";
    else if (this.now() - grant.issued > this.grace) verdict = "recover";
    this.verdicts[verdict] = (this.verdicts[verdict] ?? 0) + 1;
    if (verdict === "state_lost") return refusal("state_lost");
    if (verdict === "theft") {
      this.end(grant, "theft");
      return refusal("session_ended");
    }
    if (verdict === "rotate") grant.confirmed = grant.current;
    if (verdict !== "repeat") {
      grant.current++;
      grant.issued = this.now();
    }
    return this.#issue(grant);
  }

  #issue(grant: Grant, jar?: Jar): Answered {
    const refresh = `${grant.id}.${grant.current}`;
    const access = `${grant.id}:${this.now() + this.life * 1000}`;
    const answer = { user: person(grant), session_id: grant.id, expires_in: this.life, refresh_expires_in: this.idle, mode: grant.mode };
    if (grant.mode === "token") return { status: 200, body: { ...answer, access_token: access, refresh_token: refresh } };
    const cookies = { rt: { value: refresh, age: this.idle }, at: { value: access, age: this.life } };
    if (jar) for (const [name, c] of Object.entries(cookies)) jar.set(name, { value: c.value, expires: this.now() + c.age * 1000 });
    return { status: 200, body: answer, cookies };
  }

  #holder({ jar, headers }: Request): Grant | undefined {
    const token = headers.get("authorization")?.slice(7) ?? jar.get("at")?.value;
    const [id, expiry] = token?.split(":") ?? [];
    return id && Number(expiry) > this.now() ? this.grants.get(id) : undefined;
  }

  #logout(request: Request): Answered {
    const token = String(request.body?.refresh_token ?? request.jar.get("rt")?.value ?? "");
    const grant = this.grants.get(token.split(".")[0]!) ?? this.#holder(request);
    if (!grant) return refusal("unauthenticated");
    this.end(grant, "sign-out");
    return { status: 200, body: { seq: 1 }, cookies: { rt: undefined, at: undefined } };
  }

  #logoutAll(request: Request): Answered {
    const holder = this.#holder(request);
    if (!holder || holder.ended) return refusal("unauthenticated");
    for (const grant of this.grants.values()) if (grant.user.id === holder.user.id) this.end(grant, "sign-out");
    return { status: 200, body: { seq: 1 }, cookies: { rt: undefined, at: undefined } };
  }

  /** An API that takes the same tokens, as guard does. */
  api(request: Request): Answered {
    const grant = this.#holder(request);
    if (grant && !grant.ended) return { status: 200, body: { hello: grant.user.email } };
    const presented = request.headers.has("authorization") || request.jar.has("at");
    return { status: 401, body: {}, headers: { "WWW-Authenticate": "Bearer" + (presented ? ' error="invalid_token"' : "") } };
  }
}

function person({ user }: Grant): object {
  return { email_verified: true, username: "", name: "", roles: [], created_at: "2026-01-01T00:00:00Z", ...user };
}

export function refusal(code: string, status = 401, headers: Record<string, string> = {}): Answered {
  return { status, body: { status, code, detail: "detail of " + code }, headers };
}
