// Runs flows of a file that is written with somebody else's library, against a
// running server:
//
//   node relying.mjs ./openid_client.mjs < settings
//
// The settings are JSON: issuer; redirect_uri and post_logout_redirect_uri of
// all clients; clients, each with client_id, method, and secret or jwk (a
// private key); person, what is typed into forms; subject, the person's id;
// audience and second_audience, two APIs; and flows, the names of those to run.
// For each flow a line of JSON is printed: its name, and why it failed, if it did.
import { text } from "node:stream/consumers";
import { SignJWT, importJWK } from "jose";

const settings = JSON.parse(await text(process.stdin));

settings.sign = async (jwk, claims) =>
  new SignJWT({ ...claims, jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid })
    .setIssuedAt()
    .setExpirationTime("1m")
    .sign(await importJWK(jwk));

const es256 = { name: "ECDSA", namedCurve: "P-256" };
const importKey = (jwk) => crypto.subtle.importKey("jwk", { ...jwk, use: undefined, key_ops: undefined }, es256, false, ["sign"]);

const why = (error) => [error.error, error.code, error.stack, error.cause && JSON.stringify(error.cause)].filter(Boolean).join("\n");

const { default: party } = await import(process.argv[2]);
const flows = await party(settings, importKey);
for (const name of settings.flows) {
  let failed;
  try {
    if (!flows[name]) throw new Error("there is no such flow");
    await flows[name]();
  } catch (error) {
    failed = why(error);
  }
  console.log(JSON.stringify({ name, failed }));
}
