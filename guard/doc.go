// Package guard protects an HTTP API with access tokens.
//
//	g, err := guard.New(guard.Config{
//		Issuers: []guard.Issuer{{URL: "https://auth.example.com", Audience: []string{"https://api.example.com"}}},
//		Public:  []string{"GET /healthz"},
//	})
//	…
//	defer g.Close()
//	mux.HandleFunc("GET /orders", orders) // guard.From(r.Context()).Subject() says who asks
//	mux.Handle("DELETE /orders/{id}", g.Handler(remove, guard.Role("admin")))
//	http.ListenAndServe(address, g.Handler(mux))
//
// # What a request has to show
//
// A token in the Authorization header, once, as RFC 6750 has it; or, if
// Config.Cookie is set and there is none, in that cookie, with proof that no
// other site caused the request. The token has to be signed by a key of one of
// the issuers, for one of the audiences given with that issuer, be of the type
// "at+jwt" (RFC 9068), and be within its time. ID tokens, refresh tokens, and whatever else
// is signed by the same keys are refused.
//
// A token that is bound to a key of its bearer (cnf.jkt) is good under the scheme
// DPoP alone, with a proof of possession for this very request (RFC 9449), which
// counts once; as a bearer token it is refused, and so are tokens bound to
// anything else. Config.DPoP says more. Behind a proxy, tell it the address that
// clients use.
//
// Every one of them gets the same answer: 401 with error="invalid_token". The
// reason is in the error, for your log, which has it at slog.LevelDebug, and in
// what Config.Render is given; in the answer it would tell a forger what to try
// next. A good token that lacks what a [Rule] demands is 403, or 401
// with a challenge to sign in again (RFC 9470). When the guard can't decide,
// because it has no keys or revocations are out of date, the answer is 503: the
// token may be good.
//
// With Issuer.ClientSigned the guard also takes JWTs that the issuer's clients
// have signed themselves, for one request each; [ClientSigned] says what counts
// of them.
//
// # Revocation
//
// Signing out, or being locked out, has to end tokens that are still good on
// paper. The guard follows the issuer's revocation log, if its discovery
// document names one: a list of hashes that arrives while requests are served,
// as a stream of events or by long polling, so that a request asks only memory.
// If the document names log keys as well, the guard believes what they have
// signed and nothing else, and Issuer.LogURL may be anybody's relay or cache; if
// not, TLS alone says whose log it is. If no answer has come for Config.MaxStale,
// the log's silence about a token means nothing any more, and Config.Stale says
// what to do: reject, ask the issuer about each token, or take it. Stats shows
// how far behind the log is.
//
// An issuer without such a log, which is any that isn't Writ, is believed until
// its tokens expire.
//
// A request is decided when it comes. What stays open for longer, a stream of
// events or a WebSocket, has to ask again, and its handler's own context would
// answer for it: give [Guard.Check] the request without it, now and then.
//
//	_, err := g.Check(r.WithContext(context.Background()))
//
// # Other issuers
//
// With Issuer.Type "JWT" a guard takes the access tokens of most OpenID providers.
// Issuer.Paths says where those keep roles, and Issuer.Ignore which claims they
// write in another form than [jwt.AccessClaims]. An issuer whose access tokens
// have no aud says nothing of whom they are for: a guard refuses them.
//
// # What it costs
//
// A token that was verified before is found in memory, compared as a whole, and
// checked against the clock, the key set and the log, in some 140 ns and without
// an allocation. When the log has changed, the next use of each token takes some
// 70 ns more. Processors that serve the same token don't wait for each other.
// Memory is bounded by Config.CacheBytes. A handler behind the guard gets a
// request of its own, since its context says who asks: two allocations.
//
// # In tests
//
// Package guardtest has an issuer that runs inside your test.
package guard
