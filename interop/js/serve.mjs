// A verifier in Node that stays up: jose with a remote key set, behind HTTP.
//
//   node serve.mjs JWKS_URL ISSUER AUDIENCE [COOLDOWN_MS CACHE_MS]
//
// prints the port that it listens on, and answers a POST of a token with 200,
// or with 401 and the code of jose's error. Without the last two arguments
// jose's own defaults hold. It ends with its standard input.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [url, issuer, audience, cooldown, cache] = process.argv.slice(2);
if (!url || !issuer || !audience) {
  console.error("usage: node serve.mjs JWKS_URL ISSUER AUDIENCE [COOLDOWN_MS CACHE_MS]");
  process.exit(2);
}
const options = cooldown ? { cooldownDuration: Number(cooldown), cacheMaxAge: Number(cache) } : {};
const keys = createRemoteJWKSet(new URL(url), options);

const server = createServer(async (request, response) => {
  try {
    await jwtVerify(await text(request), keys, { issuer, audience, typ: "at+jwt" });
    response.writeHead(200).end();
  } catch (error) {
    response.writeHead(401).end(error.code ?? error.message);
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit(0));
