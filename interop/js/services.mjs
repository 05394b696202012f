// Does what a service in Node does with an authorization server, through
// oauth4webapi as it is: discovery, a token by client_credentials,
// introspection, revocation, and introspection again.
//
//   node services.mjs < settings
//
// The settings are JSON: issuer, client_id, method (client_secret_basic,
// client_secret_post or private_key_jwt), secret or jwk (a private key),
// resource and scope. The three answers are printed as JSON. An answer that
// oauth4webapi refuses has its error printed to standard error, and the exit
// status is 1.
import { text } from "node:stream/consumers";
import * as oauth from "oauth4webapi";

const settings = JSON.parse(await text(process.stdin));
const client = { client_id: settings.client_id };
// The server under test listens on loopback, without TLS.
const options = { [oauth.allowInsecureRequests]: true };

async function authentication() {
  switch (settings.method) {
    case "client_secret_basic":
      return oauth.ClientSecretBasic(settings.secret);
    case "client_secret_post":
      return oauth.ClientSecretPost(settings.secret);
    case "private_key_jwt": {
      const { alg, kid, ...jwk } = settings.jwk;
      const algorithm = alg.startsWith("ES")
        ? { name: "ECDSA", namedCurve: jwk.crv }
        : { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
      const key = await crypto.subtle.importKey("jwk", { ...jwk, use: undefined, key_ops: undefined }, algorithm, false, ["sign"]);
      return oauth.PrivateKeyJwt({ key, kid });
    }
  }
  throw new Error(`unknown method ${settings.method}`);
}

try {
  const issuer = new URL(settings.issuer);
  const server = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { ...options, algorithm: "oauth2" }),
  );
  const authenticate = await authentication();
  const parameters = new URLSearchParams({ resource: settings.resource, scope: settings.scope });
  const token = await oauth.processClientCredentialsResponse(
    server,
    client,
    await oauth.clientCredentialsGrantRequest(server, client, authenticate, parameters, options),
  );
  const introspect = async () =>
    oauth.processIntrospectionResponse(
      server,
      client,
      await oauth.introspectionRequest(server, client, authenticate, token.access_token, options),
    );
  const before = await introspect();
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(server, client, authenticate, token.access_token, options),
  );
  const after = await introspect();
  console.log(JSON.stringify({ token, before, after }));
} catch (error) {
  console.error(error.code ?? "", error.message, JSON.stringify(error.cause ?? null));
  process.exitCode = 1;
}
