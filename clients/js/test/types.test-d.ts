// Checked by tsc alone: what the types allow, and what they must not.
import { createWrit, WritError, type User, type Writ } from "../src/index.ts";
import { useUser, useWrit } from "../src/react.ts";
import { createVerifier, refusal, VerifyError } from "../src/verify/index.ts";
import { createProtection } from "../src/express.ts";

function same<T>() {
  return <U>(_: [T] extends [U] ? ([U] extends [T] ? "yes" : never) : never) => {};
}

export async function use(): Promise<void> {
  const writ: Writ = createWrit({ issuer: "https://auth.example.com" });
  createWrit({ issuer: "https://auth.example.com", mode: "token", audience: "https://api.example.com", apis: ["https://api.example.com"], refreshOn403: true });
  // @ts-expect-error: the issuer is missing
  createWrit({});
  // @ts-expect-error: there is no such mode
  createWrit({ issuer: "", mode: "local" });

  await writ.signIn({ email: "alice@example.com", password: "p" });
  await writ.signIn({ username: "alice", password: "p", org: "acme" });
  // @ts-expect-error: either of the two
  await writ.signIn({ email: "alice@example.com", username: "alice", password: "p" });
  // @ts-expect-error: the password is missing
  await writ.signIn({ email: "alice@example.com" });

  const user = writ.user;
  same<User | null | undefined>()<typeof user>("yes");
  // @ts-expect-error: it may be nobody
  writ.user.email;
  // @ts-expect-error: only the client changes it
  writ.user = null;
  const browsers: typeof fetch = writ.fetch;
  void browsers;
  const stop: () => void = writ.onChange((who, reason) => {
    same<User | null>()<typeof who>("yes");
    if (reason === "session_ended") return;
    // @ts-expect-error: there is no such reason
    if (reason === "bored") return;
  });
  stop();
  const error: unknown = new WritError("network");
  if (error instanceof WritError) same<string>()<typeof error.code>("yes");

  const shown = useUser();
  same<User | null | undefined>()<typeof shown>("yes");
  const client = useWrit();
  same<Writ>()<typeof client>("yes");
}

export async function check(): Promise<void> {
  const verifier = createVerifier<{ plan: "free" | "pro" }>({ issuer: "https://auth.example.com", audience: ["https://api.example.com"] });
  // @ts-expect-error: the audience is missing
  createVerifier({ issuer: "https://auth.example.com" });
  // @ts-expect-error: there is no such policy
  createVerifier({ issuer: "", audience: "", stale: "accept" });
  const access = await verifier.verify("token", { roles: ["admin"], stale: "introspect" });
  same<"free" | "pro">()<typeof access.claims.plan>("yes");
  same<string>()<typeof access.claims.sub>("yes");
  same<string | undefined>()<typeof access.claims.sid>("yes");
  // @ts-expect-error: nobody changes what was verified
  access.claims.sub = "usr_2";
  // @ts-expect-error: only a verifier makes one
  access.claims.roles?.push("admin");
  const error: unknown = new VerifyError("expired");
  if (error instanceof VerifyError) {
    same<401 | 403 | 503>()<typeof error.status>("yes");
    // @ts-expect-error: there is no such code
    if (error.code === "bad") return;
  }
  const response: Response = refusal(error);
  void response;

  const protection = createProtection({ issuer: "https://auth.example.com", audience: "x", public: ["GET /healthz"] });
  // As Express has it: what may be answered is inferred from all handlers of a route.
  interface Sent<Body> {
    status(code: number): this;
    set(headers: Record<string, string>): this;
    send(body?: Body): this;
    json(body?: Body): this;
  }
  interface Asked {
    method: string;
    originalUrl: string;
    headers: Record<string, string | undefined>;
    params: { id: string };
  }
  const route = <Body = any>(...handlers: ((req: Asked, res: Sent<Body>, next: () => void) => void)[]) => void handlers;
  route(protection.protect({ roles: ["admin"] }), (req, res) => res.json({ id: req.params.id }));

  const middleware: (req: never, res: never, next: () => void) => void = protection.protect({ scopes: ["a"] });
  void middleware;
}
