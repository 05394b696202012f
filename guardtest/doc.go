// Package guardtest lets you test an API that package guard protects: with real
// tokens, without a server, a port, or waiting.
//
//	func TestOrders(t *testing.T) {
//		issuer := guardtest.NewIssuer(t)
//		api := API(issuer.Guard("https://api.example.com")) // your handler
//		token := issuer.Token("https://api.example.com", jwt.AccessClaims{Roles: []string{"admin"}})
//
//		w := httptest.NewRecorder()
//		api.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/orders", nil), token))
//		…
//	}
//
// An [Issuer] lives inside your test. It has keys, a discovery document and a
// revocation log, which a guard reads through an http.Client that never opens a
// socket; all of the guard's code runs, nothing is replaced. Its clock stands
// still until Advance moves it, so no token expires while a debugger waits.
// What a test revokes is revoked when the call returns.
//
// [Issuer.Hostile] makes the tokens that a guard must refuse. If your API has
// its own way of taking tokens, send it all of them and expect a 401 each.
//
// To test a handler alone, without any middleware, give it a request with the
// context that [Context] returns.
package guardtest
