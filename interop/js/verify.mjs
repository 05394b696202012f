// Verifies an access token as a resource server in Node would: with jose, and
// knowing only the issuer's key set.
//
//   node verify.mjs JWKS_URL ISSUER AUDIENCE < token
//
// A token that passes has its payload printed as JSON. For any other the code
// of jose's error is printed to standard error, and the exit status is 1; it
// is 2 for wrong usage.
import { text } from "node:stream/consumers";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [url, issuer, audience] = process.argv.slice(2);
if (!url || !issuer || !audience) {
  console.error("usage: node verify.mjs JWKS_URL ISSUER AUDIENCE < token");
  process.exit(2);
}

const token = (await text(process.stdin)).trim();
try {
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(url)), {
    issuer,
    audience,
    typ: "at+jwt",
    requiredClaims: ["exp", "iat", "jti", "sub", "client_id"],
  });
  console.log(JSON.stringify(payload));
} catch (error) {
  console.error(error.code ?? error.message);
  process.exitCode = 1;
}
