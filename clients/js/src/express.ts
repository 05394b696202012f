/**
 * Express middleware that lets requests with a good access token pass.
 *
 * @module
 */
import { answerTo, checkDemands, createVerifier, credential, VerifyError, type Access, type Check, type CookieOptions, type Verifier, type VerifierOptions } from "./verify/index.ts";
import { checkOrigins } from "./verify/request.ts";

declare global {
  namespace Express {
    interface Request {
      /** Who asks; undefined where a route is public. */
      access?: Access;
    }
  }
}

/** What is used of Express's request. */
export interface ExpressRequest {
  readonly method: string;
  readonly originalUrl: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly headersDistinct?: Readonly<Record<string, string[] | undefined>>;
  access?: Access;
}

/** What is used of Express's response. */
export interface ExpressResponse {
  status(code: number): this;
  set(headers: Record<string, string>): this;
  // Express infers from this what the handlers behind it may answer: with string no res.json({ … }) would compile.
  send(body: any): unknown;
}

export type Middleware = (req: ExpressRequest, res: ExpressResponse, next: (error?: unknown) => void) => void;

export interface ProtectOptions extends VerifierOptions, CookieOptions {
  /**
   * Routes that need no token: `"GET /healthz"` (HEAD goes with GET), `"/about"`
   * for all methods, `"GET /assets/*"` for all below. A path that can be read in
   * two ways (`//`, `..`, `%2f`, a backslash) never is one of them.
   */
  public?: readonly string[];
  /** The realm of challenges; default `api`. */
  realm?: string;
  /** Told of each refusal, for your log. */
  onRefusal?: (error: VerifyError, req: ExpressRequest) => void;
}

export interface Protection {
  /**
   * The middleware. A request without a good token is answered here: 401, 403
   * or, where nobody can know, 503. It may stand before all routes, and again
   * before one with more demands: a token that was verified is remembered.
   */
  protect(check?: Check): Middleware;
  readonly verifier: Verifier;
  /** Ends following the revocation log. */
  dispose(): void;
}

/** Makes what protects an application; a process needs one for each API. */
export function createProtection(options: ProtectOptions): Protection {
  if (!Array.isArray(options.public ?? [])) throw new TypeError('public must be a list, such as ["GET /healthz"]');
  const open = (options.public ?? []).map(pattern);
  checkOrigins(options.trustedOrigins);
  const verifier = createVerifier(options);

  async function check(req: ExpressRequest, demands: Check | undefined): Promise<void> {
    const free = !demands && open.some((matches) => matches(req));
    if (free) return;
    req.access = await verifier.verify(credential({ method: req.method, header: (name) => header(req, name) }, options), demands);
  }

  return {
    verifier,
    protect(demands) {
      checkDemands(demands);
      return (req, res, next) => {
        // Whatever came before has no say: only this middleware writes it.
        delete req.access;
        check(req, demands).then(
          () => next(),
          (error: unknown) => {
            const answer = answerTo(error, options.realm);
            if (!answer) return next(error);
            try {
              options.onRefusal?.(error as VerifyError, req);
              res.status(answer.status).set(answer.headers).send(answer.body);
            } catch (error) {
              next(error); // nobody else would take it, and Node ends with what nobody takes
            }
          },
        );
      };
    },
    dispose: () => verifier.dispose(),
  };
}

/** All lines of a header. Node keeps the first of two Authorization lines; whoever stands before may have read the other. */
function header({ headers, headersDistinct }: ExpressRequest, name: string): string | undefined {
  const lines = headersDistinct?.[name] ?? headers[name];
  return Array.isArray(lines) ? lines.join(name === "cookie" ? "; " : ", ") : lines;
}

/** What matches the requests of a pattern. */
function pattern(text: string): (req: ExpressRequest) => boolean {
  const [, method, path, below] = /^(?:([A-Z]+) )?(\/[^*\s]*?)(\*)?$/.exec(text) ?? [];
  if (!path || !clean(path) || (below && !path.endsWith("/"))) throw new TypeError(`public: ${JSON.stringify(text)} is no pattern`);
  return (req) => {
    const asked = req.originalUrl.split("?", 1)[0]!;
    const rightMethod = !method || method === req.method || (method === "GET" && req.method === "HEAD");
    return rightMethod && clean(asked) && (below ? asked.startsWith(path) : asked === path);
  };
}

/** Whether there is one way to read a path. A router may take "/public/../admin" or "/public/%2e%2e/admin" for "/admin". */
function clean(path: string): boolean {
  return path.startsWith("/") && !/\/\/|\/\.{1,2}(?:\/|$)|[\\;#]|%(?:2f|5c|2e|25|3b|00)/i.test(path);
}
