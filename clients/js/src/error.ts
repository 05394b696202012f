/**
 * A call to the server that failed. `code` is the server's word for it, such as
 * `invalid_credentials` or `too_many_requests`, or one of the client's own:
 * `network` if there was no answer that could be understood, `signed_out` if a
 * sign-out came in between, `cookies_blocked` if the browser dropped the cookies
 * of a sign-in.
 */
export class WritError extends Error {
  override readonly name = "WritError";

  constructor(
    readonly code: string,
    /** The HTTP status; 0 if there was none. */
    readonly status = 0,
    /** The server's whole answer, a problem document (RFC 9457). */
    readonly problem: Readonly<Record<string, unknown>> = {},
    /** When to come back, in seconds, if the server said. */
    readonly retryAfter = 0,
  ) {
    super((problem.detail as string) ?? code);
  }
}

/** Whether a refusal says that the session is over. Everything else is a failure that passes. */
export function over({ code }: WritError): boolean {
  return /session_ended|invalid_token|state_lost|unauthenticated/.test(code);
}
