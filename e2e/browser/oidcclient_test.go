package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/writ-auth/writ/internal/testenv"
)

// oidcPage is a single-page application with oidc-client-ts, unmodified. Its
// redirect addresses are pages of its own, as its documentation has them.
const oidcPage = `<!doctype html><title>spa</title><link rel=icon href=data:><script src="/oidc-client-ts.js"></script>
<script>
window.manager = new oidc.UserManager({
	authority: %q, client_id: "spa", scope: "openid profile email", redirect_uri: location.origin + "/cb", popup_redirect_uri: location.origin + "/popup",
	post_logout_redirect_uri: location.origin + "/out", popup_post_logout_redirect_uri: location.origin + "/popup-out", automaticSilentRenew: false, loadUserInfo: true,
});
window.shows = (user) => user && ({ sub: user.profile.sub, email: user.profile.email, name: user.profile.name, id: user.id_token,
	access: user.access_token, refresh: user.refresh_token, expires: user.expires_in, state: user.state });
window.fails = (error) => ({ failed: String(error) });
if (location.pathname === "/popup") manager.signinPopupCallback();
if (location.pathname === "/popup-out") manager.signoutPopupCallback();
</script>`

// shown is what the application knows of the person.
type shown struct {
	Sub, Email, ID, Access, Refresh string
	Expires                         int
	State                           map[string]string
	Failed                          string
}

// spa is a single-page application, on another site than Writ.
type spa struct {
	*server
	origin string // the application's
	issuer string
	alice  string // her id
}

func startSPA(t *testing.T) *spa {
	t.Helper()
	needBrowser(t)
	testenv.NeedNodeModules(t, "js")
	port := freePort(t)
	s := &spa{issuer: fmt.Sprintf("http://127.0.0.1:%d", port)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, oidcPage, s.issuer)
	})
	mux.HandleFunc("GET /oidc-client-ts.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "js/node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js")
	})
	front := httptest.NewServer(mux)
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	s.origin = onLocalhost(front)
	s.server = startServer(t, "http", s.issuer, port)
	s.must(t, 201, "POST", "/v1/admin/clients", s.bearer, map[string]any{
		"client_id": "spa", "client_name": "A page", "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"},
		"redirect_uris": []string{s.origin + "/cb", s.origin + "/popup"}, "post_logout_redirect_uris": []string{s.origin + "/out", s.origin + "/popup-out"},
	}, nil)
	var list struct{ Items []struct{ ID, Email string } }
	s.must(t, 200, "GET", "/v1/admin/users?q="+aliceEmail, s.bearer, nil, &list)
	s.alice = list.Items[0].ID
	return s
}

// TestOIDCClient signs in by redirect, renews with the refresh token, and signs
// out, with oidc-client-ts in Chromium: discovery, tokens and userinfo are
// fetched across origins.
func TestOIDCClient(t *testing.T) {
	s := startSPA(t)
	b := newProfile(t, nil).open(s.origin + "/")
	if at := b.leave(`() => { manager.signinRedirect({ state: { from: "here" } }) }`, nil); at.Status != 200 {
		t.Fatalf("the request: %+v", at)
	}
	b.shows("A page").signInHere(aliceEmail, alicePassword)
	b.shows("See your e-mail address").submit(allowButton, nil)
	b.arrive("^" + s.origin + "/cb")
	var first, renewed, nobody shown
	b.run(&first, `() => manager.signinCallback().then(shows, fails)`, nil)
	if first.Failed != "" || first.Sub != s.alice || first.Email != aliceEmail || first.Refresh == "" || first.Expires < 600 || first.State["from"] != "here" {
		t.Fatalf("signed in as %+v", first)
	}
	b.run(&renewed, `() => manager.signinSilent().then(shows, fails)`, nil)
	if renewed.Failed != "" || renewed.Sub != s.alice || renewed.Access == first.Access || renewed.Refresh == first.Refresh {
		t.Fatalf("renewed: %+v", renewed)
	}
	b.leave(`() => { manager.signoutRedirect({ state: "bye" }) }`, nil)
	b.arrive("^" + s.origin + "/out\\?state=")
	b.run(&nobody, `() => manager.signoutRedirectCallback().then(() => manager.getUser()).then(shows, fails)`, nil)
	if nobody.Sub != "" || nobody.Failed != "" {
		t.Errorf("after the sign-out: %+v", nobody)
	}
	if status, _ := s.call(t, "GET", "/oauth/userinfo", renewed.Access, nil); status != http.StatusUnauthorized {
		t.Errorf("the access token after the sign-out: %d", status)
	}
	b.leave(`() => { manager.signinRedirect() }`, nil)
	b.shows("Sign in")
}

// TestOIDCClientPopup signs in in a window of its own, in which the page that
// opened it must still be told of the end: also by a library that takes a window
// it has lost sight of for one that the person closed.
func TestOIDCClientPopup(t *testing.T) {
	s := startSPA(t)
	p := newProfile(t, nil)
	b := p.open(s.origin + "/")
	for _, abort := range []bool{true, false} {
		window := b.popup(`(abort) => { window.result = manager.signinPopup({ popupAbortOnClose: abort, prompt: "login consent" }).then(shows, fails) }`, abort)
		window.arrive("^" + s.issuer + "/login")
		var lost bool
		window.run(&lost, `() => window.opener === null`, nil)
		if lost {
			t.Error("the page of signing in has lost the page that opened it")
		}
		window.signInHere(aliceEmail, alicePassword)
		window.shows("Allow").leaveWindow(allowButton)
		var in shown
		b.run(&in, `() => result`, nil)
		if in.Failed != "" || in.Sub != s.alice {
			t.Errorf("abort on close %v: %+v", abort, in)
		}
		window.closed()
	}

	// Pages that no application waits for let go of who opened them.
	for _, path := range []string{"/login", "/oauth/logout"} {
		window := b.popup(`(url) => { window.open(url) }`, s.issuer+path)
		window.arrive(path + "$")
		var lost bool
		if window.run(&lost, `() => window.opener === null`, nil); !lost {
			t.Errorf("%s is in the hands of the page that opened it", path)
		}
	}
}
