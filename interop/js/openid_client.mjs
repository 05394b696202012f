// What an application does with an issuer, written with openid-client as it is.
import assert from "node:assert/strict";
import * as client from "openid-client";
import { Person } from "./person.mjs";

export default async function (settings, importKey) {
  const issuer = new URL(settings.issuer);

  async function party(name) {
    const { client_id, secret, method, jwk } = settings.clients[name];
    const authenticate = {
      client_secret_basic: () => client.ClientSecretBasic(secret),
      client_secret_post: () => client.ClientSecretPost(secret),
      private_key_jwt: async () => client.PrivateKeyJwt({ key: await importKey(jwk), kid: jwk.kid }),
      none: () => client.None(),
    }[method];
    // The server under test listens on loopback, without TLS.
    return client.discovery(issuer, client_id, undefined, await authenticate(), {
      execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
    });
  }

  async function signIn(config, { person = new Person(issuer, settings.person), more = {}, build = client.buildAuthorizationUrl, DPoP, checks } = {}) {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedState = client.randomState();
    const expectedNonce = client.randomNonce();
    const { url, text } = await person.visit(await build(config, {
      redirect_uri: settings.redirect_uri, scope: "openid profile email", state: expectedState, nonce: expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: "S256", ...more,
    }));
    assert.ok(url, text);
    const tokens = await client.authorizationCodeGrant(config, url,
      { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true, ...checks }, undefined, { DPoP });
    return { person, tokens, claims: tokens.claims() };
  }

  async function application(name) {
    const config = await party(name);
    const { tokens, claims } = await signIn(config);
    assert.equal(claims.sub, settings.subject);
    assert.equal((await client.fetchUserInfo(config, tokens.access_token, claims.sub)).email, settings.person.login);
    const fresh = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.notEqual(fresh.refresh_token, tokens.refresh_token);
    if (name !== "public") assert.equal((await client.tokenIntrospection(config, fresh.access_token)).active, true);
    await client.tokenRevocation(config, fresh.refresh_token);
    if (name !== "public") assert.equal((await client.tokenIntrospection(config, fresh.access_token)).active, false);
    await assert.rejects(client.refreshTokenGrant(config, fresh.refresh_token), { error: "invalid_grant" });
  }

  async function machine(name) {
    const config = await party(name);
    const tokens = await client.clientCredentialsGrant(config, { resource: settings.audience, scope: "read" });
    assert.equal(tokens.scope, "read");
    const about = await client.tokenIntrospection(config, tokens.access_token);
    assert.equal(about.sub, config.clientMetadata().client_id);
    assert.equal(about.aud, settings.audience);
  }

  return {
    "code, client_secret_basic": () => application("basic"),
    "code, client_secret_post": () => application("post"),
    "code, private_key_jwt": () => application("key"),
    "code, a public client": () => application("public"),
    "client credentials, client_secret_basic": () => machine("service"),
    "client credentials, private_key_jwt": () => machine("bearer"),

    async "form_post"() {
      const { claims } = await signIn(await party("basic"), { more: { response_mode: "form_post" } });
      assert.equal(claims.sub, settings.subject);
    },

    async "max_age and prompt"() {
      const config = await party("basic");
      const { person } = await signIn(config, { more: { max_age: "300" }, checks: { maxAge: 300 } });
      await signIn(config, { person, more: { prompt: "none" } });
      await assert.rejects(signIn(config, { more: { prompt: "none" } }), { error: "login_required" });
    },

    async "log-out"() {
      const config = await party("basic");
      const { person, tokens } = await signIn(config);
      const { url } = await person.visit(client.buildEndSessionUrl(config, {
        id_token_hint: tokens.id_token, post_logout_redirect_uri: settings.post_logout_redirect_uri, state: "bye",
      }));
      assert.equal(url.href, `${settings.post_logout_redirect_uri}?state=bye`);
      await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
    },

    async "pushed request"() {
      const { claims } = await signIn(await party("key"), { build: client.buildAuthorizationUrlWithPAR });
      assert.equal(claims.sub, settings.subject);
    },

    async "device"() {
      const config = await party("device");
      const device = await client.initiateDeviceAuthorization(config, { scope: "openid email" });
      const person = new Person(issuer, { ...settings.person, user_code: device.user_code });
      await person.visit(device.verification_uri_complete ?? device.verification_uri);
      const tokens = await client.pollDeviceAuthorizationGrant(config, device);
      assert.equal(tokens.claims().sub, settings.subject);
    },

    async "token exchange"() {
      const [app, service] = [await party("api"), await party("service")];
      const { tokens } = await signIn(app, { more: { resource: settings.audience, scope: "openid read" } });
      const exchanged = await client.genericGrantRequest(service, "urn:ietf:params:oauth:grant-type:token-exchange", {
        subject_token: tokens.access_token, subject_token_type: "urn:ietf:params:oauth:token-type:access_token", audience: settings.second_audience,
      });
      const about = await client.tokenIntrospection(service, exchanged.access_token);
      assert.equal(about.sub, settings.subject);
      assert.equal(about.aud, settings.second_audience);
    },

    async "jwt-bearer"() {
      const config = await party("bearer");
      const { jwk, client_id } = settings.clients.bearer;
      const assertion = await settings.sign(jwk, { iss: client_id, sub: client_id, aud: settings.issuer });
      const tokens = await client.genericGrantRequest(config, "urn:ietf:params:oauth:grant-type:jwt-bearer", { assertion, resource: settings.audience });
      assert.equal((await client.tokenIntrospection(config, tokens.access_token)).sub, client_id);
    },

    async "DPoP"() {
      const config = await party("basic");
      const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
      const { tokens, claims } = await signIn(config, { DPoP });
      assert.equal(tokens.token_type, "dpop");
      const fresh = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
      assert.equal((await client.fetchUserInfo(config, fresh.access_token, claims.sub, { DPoP })).sub, settings.subject);
      await assert.rejects(client.fetchUserInfo(config, fresh.access_token, claims.sub));
    },
  };
}
