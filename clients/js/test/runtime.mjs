// Run by runtimes.test.ts in another runtime: verifies a token until it is
// revoked, and says what it saw.
import { createVerifier } from "./verify.mjs";

const { issuer, audience, token, revocation } = JSON.parse(globalThis.process.env.TEST_INPUT);
const verifier = createVerifier({ issuer, audience, revocation, askAfter: 0 });
await verifier.ready;
let last;
for (const end = Date.now() + 30_000; Date.now() < end && last !== "revoked"; ) {
  const verdict = await verifier.verify(token).then(
    (access) => "accepted " + access.subject,
    (error) => error.code,
  );
  if (verdict !== last) console.log(verdict);
  last = verdict;
  await new Promise((resolve) => setTimeout(resolve, 10));
}
verifier.dispose();
