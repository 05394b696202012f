/** A person, as the server shows people themselves. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly email_verified: boolean;
  readonly username: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly created_at: string;
}

/**
 * How credentials travel.
 *
 * - `cookie`: both tokens in HttpOnly cookies that no script can read.
 * - `session`: one opaque HttpOnly cookie, and no token at all.
 * - `token`: both tokens in this tab's memory, the access token sent as a bearer
 *   token. It ends with the page: nothing is ever kept in localStorage or
 *   sessionStorage, where any script of the page could read it later. For APIs
 *   on hosts that the cookies don't reach.
 */
export type Mode = "cookie" | "session" | "token";

export interface Options {
  /** The origin of the Writ server, such as `https://auth.example.com`. */
  issuer: string;
  /** Default `cookie`. */
  mode?: Mode;
  /** The API that access tokens are for; default: Writ itself. */
  audience?: string;
  /**
   * The origins whose requests are the session's: they alone get the bearer
   * token in token mode, and their refusals alone cause a refresh. Default: the
   * page's own origin, and that of the issuer.
   */
  apis?: readonly string[];
  /**
   * Also refreshes and tries again after a 403, for APIs that answer an expired
   * token so. Default false: 403 means that this person may not, and a new
   * token changes nothing about that.
   */
  refreshOn403?: boolean;
}

/** What a person signs in with. */
export type Credentials = ({ email: string; username?: never } | { username: string; email?: never }) & {
  password: string;
  /** The organisation to act for; default: none. */
  org?: string;
};

/**
 * Why the user changed: they signed in or out, here or in another tab; their
 * session was restored or their account changed (`updated`); or the server said
 * that the session is over, in its own words: `session_ended` (expired, revoked,
 * or a stolen copy was used), `invalid_token`, `state_lost` (the server was
 * restored from a back-up) or `unauthenticated` (there are no cookies, or no
 * more).
 */
export type Reason =
  | "signed_in"
  | "signed_out"
  | "updated"
  | "session_ended"
  | "invalid_token"
  | "state_lost"
  | "unauthenticated";

/** Told of every change, after it. */
export type Listener = (user: User | null, reason: Reason) => void;

export interface Writ {
  /** Who is signed in; null: nobody; undefined: not known yet, see ready. */
  readonly user: User | null | undefined;
  /** The first known user or null. It stays pending as long as the server is out of reach. */
  readonly ready: Promise<User | null>;
  /** Signs in. Rejects with a {@link WritError}, for example of code `invalid_credentials`. */
  signIn(credentials: Credentials): Promise<User>;
  /**
   * Ends this session, at once in every tab. Rejects if the server couldn't be
   * told; it is then told as soon as the browser is back online while this page
   * is open, but a reload before that finds the cookies and the session there.
   */
  signOut(): Promise<void>;
  /** Ends every session of the user, on every device. Nothing changes if it rejects. */
  signOutEverywhere(): Promise<void>;
  /**
   * The browser's fetch with the session's credentials kept fresh. In the cookie
   * modes nothing is added to the request; in token mode a bearer token is.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /**
   * Asks the server now, in place of waiting for the next refresh: after the
   * name was changed, a role given, or a new password set, which ends sessions.
   * Resolves to what is known then. It never rejects: where the server is out of
   * reach, or has just been, nothing changes.
   */
  refresh(): Promise<User | null | undefined>;
  /** Calls listener after every change of the user; what it returns ends that. */
  onChange(listener: Listener): () => void;
  /** Stops all timers, events and requests under way. The session itself lives on. */
  dispose(): void;
}
