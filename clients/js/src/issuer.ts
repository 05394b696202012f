import { WritError } from "./error.ts";
import type { Platform } from "./platform.ts";
import type { User } from "./types.ts";

/** The answer to a sign-in and a refresh. */
export interface Answer {
  user: User;
  session_id: string;
  expires_in: number; // seconds
  /** Absent where the session lasts only as long as this access token. */
  refresh_expires_in?: number;
  access_token?: string; // in token mode
  refresh_token?: string; // in token mode
}

export type Call = <T>(path: string, body?: object, init?: RequestInit) => Promise<T>;

/** Makes the function that calls the server's /v1 and throws a WritError. */
export function newCall(p: Platform, issuer: string, cookies: boolean): Call {
  return async (path, body, init) => {
    let response: Response | undefined;
    let answer;
    try {
      response = await p.fetch(issuer + "/v1/" + path, {
        method: path === "me" ? "GET" : "POST",
        credentials: cookies ? "include" : "omit",
        redirect: "error", // nobody else gets the credentials
        ...(body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
        ...init,
      });
      answer = await response.json();
    } catch {
      // No answer, or one that a proxy or the login page of a hotel gave.
      throw new WritError("network", response?.status);
    }
    if (response.ok && answer) return answer;
    throw new WritError(answer?.code ?? "network", response.status, answer ?? {}, +response.headers.get("Retry-After")! || 0);
  };
}
