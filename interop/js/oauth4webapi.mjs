// What an application does with an issuer, written with oauth4webapi as it is:
// it checks each answer against the standards, more strictly than most.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { Person } from "./person.mjs";

export default async function (settings, importKey) {
  // The server under test listens on loopback, without TLS.
  const options = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(settings.issuer);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  const redirect = settings.redirect_uri;

  async function party(name) {
    const { client_id, secret, method, jwk } = settings.clients[name];
    const authenticate = {
      client_secret_basic: () => oauth.ClientSecretBasic(secret),
      client_secret_post: () => oauth.ClientSecretPost(secret),
      private_key_jwt: async () => oauth.PrivateKeyJwt({ key: await importKey(jwk), kid: jwk.kid }),
      none: () => oauth.None(),
    }[method];
    return { client: { client_id }, auth: await authenticate() };
  }

  // verified checks the ID token's signature too, which the code flow may leave
  // to TLS.
  async function verified(response, process) {
    const result = await process(response);
    if (result.id_token) await oauth.validateApplicationLevelSignature(as, response, options);
    return result;
  }

  // ask makes a request, and once more if the server wants its nonce in the proof.
  async function ask(request, process) {
    try {
      return await verified(await request(), process);
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return verified(await request(), process);
    }
  }

  // signIn runs the code flow. send turns the request's parameters into the
  // address that the browser opens.
  async function signIn({ client, auth }, { person = new Person(issuer, settings.person), more = {}, send = direct, DPoP, checks } = {}) {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const nonce = oauth.generateRandomNonce();
    const parameters = new URLSearchParams({
      client_id: client.client_id, redirect_uri: redirect, response_type: "code", scope: "openid profile email", state, nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256", ...more,
    });
    const { url, text } = await person.visit(await send(parameters));
    assert.ok(url, text);
    const callback = oauth.validateAuthResponse(as, client, url, state);
    const tokens = await ask(
      () => oauth.authorizationCodeGrantRequest(as, client, auth, callback, redirect, verifier, { ...options, DPoP }),
      (response) => oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true, ...checks }),
    );
    return { person, tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
  }

  const direct = (parameters) => `${as.authorization_endpoint}?${parameters}`;

  const userInfo = ({ client }, tokens, subject, more) =>
    ask(
      () => oauth.userInfoRequest(as, client, tokens.access_token, { ...options, ...more }),
      (response) => oauth.processUserInfoResponse(as, client, subject, response),
    );

  const refresh = ({ client, auth }, tokens, more) =>
    ask(
      () => oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, { ...options, ...more }),
      (response) => oauth.processRefreshTokenResponse(as, client, response),
    );

  const introspect = async ({ client, auth }, token) =>
    oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token, options));

  const revoke = async ({ client, auth }, token) =>
    oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, token, options));

  const grant = ({ client, auth }, type, parameters, more) =>
    ask(
      () => oauth.genericTokenEndpointRequest(as, client, auth, type, parameters, { ...options, ...more }),
      (response) => oauth.processGenericTokenEndpointResponse(as, client, response),
    );

  // the whole way of an application that signs people in
  async function application(name) {
    const app = await party(name);
    const { tokens, claims } = await signIn(app);
    assert.equal(tokens.token_type, "bearer");
    assert.equal(claims.sub, settings.subject);
    const info = await userInfo(app, tokens, claims.sub);
    assert.equal(info.email, settings.person.login);
    const fresh = await refresh(app, tokens);
    assert.notEqual(fresh.refresh_token, tokens.refresh_token);
    assert.equal(oauth.getValidatedIdTokenClaims(fresh).sub, claims.sub);
    if (name === "public") return;
    assert.equal((await introspect(app, fresh.access_token)).active, true);
    await revoke(app, fresh.refresh_token);
    assert.deepEqual({ ...(await introspect(app, fresh.access_token)) }, { active: false });
    await assert.rejects(refresh(app, fresh), { error: "invalid_grant" });
  }

  return {
    "code, client_secret_basic": () => application("basic"),
    "code, client_secret_post": () => application("post"),
    "code, private_key_jwt": () => application("key"),
    "code, a public client": () => application("public"),

    async "form_post"() {
      const { claims } = await signIn(await party("basic"), { more: { response_mode: "form_post" } });
      assert.equal(claims.sub, settings.subject);
    },

    async "max_age and prompt"() {
      const app = await party("basic");
      const { person } = await signIn(app, { more: { max_age: "300" }, checks: { maxAge: 300 } });
      await signIn(app, { person, more: { prompt: "none" } });
      const stranger = new Person(issuer, settings.person);
      await assert.rejects(signIn(app, { person: stranger, more: { prompt: "none" } }), (error) =>
        error instanceof oauth.AuthorizationResponseError && error.error === "login_required");
    },

    async "mix-up"() {
      const { client } = await party("basic");
      const answer = (iss) => new URLSearchParams({ code: "c", state: "s", ...iss });
      assert.equal(as.authorization_response_iss_parameter_supported, true);
      oauth.validateAuthResponse(as, client, answer({ iss: settings.issuer }), "s");
      for (const iss of [{ iss: "https://other.example" }, {}]) {
        assert.throws(() => oauth.validateAuthResponse(as, client, answer(iss), "s"), { code: "OAUTH_INVALID_RESPONSE" });
      }
    },

    async "log-out"() {
      const app = await party("basic");
      const { person, tokens } = await signIn(app);
      const { url } = await person.visit(`${as.end_session_endpoint}?${new URLSearchParams({
        id_token_hint: tokens.id_token, post_logout_redirect_uri: settings.post_logout_redirect_uri, state: "bye",
      })}`);
      assert.equal(url.href, `${settings.post_logout_redirect_uri}?state=bye`);
      await assert.rejects(refresh(app, tokens), { error: "invalid_grant" });
    },

    async "pushed request"() {
      const app = await party("basic");
      const send = async (parameters) => {
        const pushed = await oauth.processPushedAuthorizationResponse(as, app.client,
          await oauth.pushedAuthorizationRequest(as, app.client, app.auth, parameters, options));
        return direct(new URLSearchParams({ client_id: app.client.client_id, request_uri: pushed.request_uri }));
      };
      assert.equal((await signIn(app, { send })).claims.sub, settings.subject);
    },

    async "device"() {
      const app = await party("device");
      const device = await oauth.processDeviceAuthorizationResponse(as, app.client,
        await oauth.deviceAuthorizationRequest(as, app.client, app.auth, { scope: "openid email" }, options));
      const poll = () => ask(
        () => oauth.deviceCodeGrantRequest(as, app.client, app.auth, device.device_code, options),
        (response) => oauth.processDeviceCodeResponse(as, app.client, response),
      );
      await assert.rejects(poll(), { error: "authorization_pending" });
      const person = new Person(issuer, { ...settings.person, user_code: device.user_code });
      await person.visit(device.verification_uri);
      await new Promise((resolve) => setTimeout(resolve, (device.interval ?? 5) * 1000)); // what the server asks for
      const tokens = await poll();
      assert.equal(oauth.getValidatedIdTokenClaims(tokens).sub, settings.subject);
      await assert.rejects(poll(), { error: "invalid_grant" });
    },

    async "token exchange"() {
      const [app, service] = [await party("api"), await party("service")];
      const { tokens } = await signIn(app, { more: { resource: settings.audience, scope: "openid read" } });
      const kind = "urn:ietf:params:oauth:token-type:access_token";
      const type = "urn:ietf:params:oauth:grant-type:token-exchange";
      const parameters = { subject_token: tokens.access_token, subject_token_type: kind, audience: settings.second_audience };
      const exchanged = await grant(service, type, parameters);
      assert.equal(exchanged.issued_token_type, kind);
      assert.equal(exchanged.refresh_token, undefined);
      const about = await introspect(service, exchanged.access_token);
      assert.equal(about.sub, settings.subject);
      assert.equal(about.aud, settings.second_audience);
      assert.equal(about.act.sub, service.client.client_id);
      await assert.rejects(grant(app, type, parameters), { error: "unauthorized_client" });
    },

    async "jwt-bearer"() {
      const app = await party("bearer");
      const { jwk, client_id } = settings.clients.bearer;
      const assertion = await settings.sign(jwk, { iss: client_id, sub: client_id, aud: settings.issuer });
      const tokens = await grant(app, "urn:ietf:params:oauth:grant-type:jwt-bearer", { assertion, resource: settings.audience });
      assert.equal(tokens.token_type, "bearer");
      await assert.rejects(grant(app, "urn:ietf:params:oauth:grant-type:jwt-bearer", { assertion }), { error: "invalid_grant" });
    },

    async "DPoP"() {
      const app = await party("basic");
      const DPoP = oauth.DPoP(app.client, await oauth.generateKeyPair("ES256"));
      const { tokens, claims } = await signIn(app, { DPoP, more: { dpop_jkt: await DPoP.calculateThumbprint() } });
      assert.equal(tokens.token_type, "dpop");
      assert.equal((await userInfo(app, tokens, claims.sub, { DPoP })).sub, settings.subject);
      await assert.rejects(userInfo(app, tokens, claims.sub));
      const fresh = await refresh(app, tokens, { DPoP });
      assert.equal(fresh.token_type, "dpop");
      assert.equal((await userInfo(app, fresh, claims.sub, { DPoP })).sub, settings.subject);
    },

    async "DPoP, a public client"() {
      const app = await party("public");
      const DPoP = oauth.DPoP(app.client, await oauth.generateKeyPair("ES256"));
      const { tokens } = await signIn(app, { DPoP });
      const other = oauth.DPoP(app.client, await oauth.generateKeyPair("ES256"));
      await assert.rejects(refresh(app, tokens), { error: "invalid_grant" });
      await assert.rejects(refresh(app, tokens, { DPoP: other }), { error: "invalid_grant" });
      assert.equal((await refresh(app, tokens, { DPoP })).token_type, "dpop");
    },
  };
}
