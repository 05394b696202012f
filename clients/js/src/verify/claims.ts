import type { JWTPayload } from "jose";
import { VerifyError } from "./error.ts";

/** The claims of an access token (RFC 9068), and those that Writ adds. */
export interface AccessClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly jti: string;
  readonly client_id: string;
  readonly nbf?: number;
  /** The grant that the token belongs to; a service's own token has none. */
  readonly sid?: string;
  readonly scope?: string;
  readonly epochs?: readonly string[];
  readonly auth_time?: number;
  readonly acr?: string;
  readonly amr?: readonly string[];
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly name?: string;
  readonly preferred_username?: string;
  readonly org?: string;
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
}

const types: Record<string, (value: unknown) => boolean> = {};
const isString = (value: unknown) => typeof value === "string";
const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);
for (const name of ["sub", "jti", "client_id", "sid", "scope", "acr", "email", "name", "preferred_username", "org"]) types[name] = isString;
for (const name of ["iat", "exp", "nbf", "auth_time"]) types[name] = isNumber;
for (const name of ["epochs", "amr", "roles", "permissions"]) types[name] = (value) => Array.isArray(value) && value.every(isString);
types.email_verified = (value) => typeof value === "boolean";

/** Whose token this is and what it allows. Nothing that anybody does changes it. */
export class Access<Custom extends object = object> {
  readonly claims: AccessClaims & Readonly<Custom>;
  readonly #scopes: readonly string[];

  /** @internal */
  constructor(payload: JWTPayload) {
    for (const [name, right] of Object.entries(types)) {
      if (payload[name] !== undefined && !right(payload[name])) throw new VerifyError("claim", `${name} is of another type`);
    }
    this.claims = freeze(payload) as unknown as AccessClaims & Readonly<Custom>;
    this.#scopes = this.claims.scope?.split(" ") ?? [];
  }

  /** Who asks, by the issuer's name for them. */
  get subject(): string {
    return this.claims.sub;
  }

  /** Whether the token is a service's own, and no person stands behind it. */
  get isClient(): boolean {
    return !this.claims.sid && this.claims.sub === this.claims.client_id;
  }

  hasRole(name: string): boolean {
    return !!this.claims.roles?.includes(name);
  }

  hasPermission(name: string): boolean {
    return !!this.claims.permissions?.includes(name);
  }

  hasScope(name: string): boolean {
    return this.#scopes.includes(name);
  }
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

/** What a route demands of a verified token: all of it. */
export interface Demands {
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  readonly scopes?: readonly string[];
}

const demands = ["roles", "permissions", "scopes"] as const;
const policies = ["reject", "introspect", "acceptUntilExpiry"];

/**
 * Throws a TypeError if that isn't what a route can demand: `{ role: "admin" }`
 * would else demand nothing, and let everybody in who has signed in.
 */
export function checkDemands(check: object = {}): void {
  if (typeof check !== "object") throw new TypeError("demands are an object, such as { roles: [\"admin\"] }");
  for (const name of Object.keys(check)) {
    if (![...demands, "stale"].includes(name)) throw new TypeError(`unknown demand ${JSON.stringify(name)}; known are ${demands.join(", ")}, and stale`);
  }
  const { stale } = check as { stale?: unknown };
  if (stale !== undefined && !policies.includes(stale as string)) throw new TypeError(`stale must be one of ${policies.join(", ")}, not ${JSON.stringify(stale)}`);
  for (const name of demands) {
    const list = (check as Record<string, unknown>)[name];
    if (list !== undefined && !types.roles!(list)) throw new TypeError(`${name} is a list of names`);
  }
}

/** Throws the refusal of a token that isn't enough. */
export function demand(access: Access, { roles = [], permissions = [], scopes = [] }: Demands): void {
  const enough = roles.every((name) => access.hasRole(name)) && permissions.every((name) => access.hasPermission(name)) && scopes.every((name) => access.hasScope(name));
  if (!enough) throw new VerifyError("forbidden", "", scopes);
}
