package oauth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pageFolders are the doors that answer browsers. What they are made of is read
// from their source, so that a page that is new is tested, too.
var pageFolders = []string{"../page", "../authorization", "authorize", "logout", "device"}

// pagePaths are the paths that stand in the source of those doors. Some are
// parts of others and lead nowhere: what is nothing is protected as well.
func pagePaths(t *testing.T) []string {
	t.Helper()
	path := regexp.MustCompile(`^(?:(?:GET|POST) )?(/[a-z/-]+)$`)
	paths := map[string]bool{}
	for _, dir := range pageFolders {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(literal.Value)
				if m := path.FindStringSubmatch(text); err == nil && m != nil {
					for _, prefix := range []string{"", "/oauth/authorize", "/oauth/logout", "/device"} {
						paths[prefix+m[1]] = true
					}
				}
				return true
			})
		}
	}
	var list []string
	for p := range paths {
		list = append(list, p)
	}
	slices.Sort(list)
	for _, known := range []string{"/login", "/consent", "/oauth/authorize", "/oauth/authorize/continue", "/oauth/logout", "/oauth/logout/continue", "/oauth/logout/confirm",
		"/device", "/device/answer", "/signup", "/account", "/login/password", "/account/password"} {
		if !slices.Contains(list, known) {
			t.Fatalf("%s is not among the paths %v", known, list)
		}
	}
	return list
}

// No page is framed, cached, or does anything for another site, whoever is
// signed in (RFC 9700, sections 4.7 and 4.16).
func TestPagesAreNobodyElses(t *testing.T) {
	s := start(t)
	s.person()
	b := s.browser()
	b.code(s.appClient("app", `,"skip_consent":true`))
	for _, path := range pagePaths(t) {
		if path == "/oauth/device" {
			continue // for devices, which have no cookie; its answers may be read by pages of public clients
		}
		for _, method := range []string{"GET", "POST"} {
			a := b.send(method, path, "", func(r *http.Request) {
				r.Header.Set("Sec-Fetch-Site", "cross-site")
				r.Header.Set("Origin", "https://evil.example")
			})
			what := method + " " + path
			if policy := a.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "base-uri 'none'") ||
				strings.Contains(policy, "unsafe") || a.header.Get("X-Frame-Options") != "DENY" {
				t.Errorf("%s can be framed: %v", what, a.header)
			}
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Referrer-Policy") != "same-origin" {
				t.Errorf("%s: %v", what, a.header)
			}
			if a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s can be read by other origins", what)
			}
			// Clients send browsers to these two from other sites, by POST too.
			if method == "POST" && path != "/oauth/authorize" && path != "/oauth/logout" && !slices.Contains([]int{403, 404, 405}, a.status) {
				t.Errorf("%s from another site: status %d: %s", what, a.status, a.text)
			}
		}
	}
	if b.cookies["writ_s"] == "" {
		t.Error("another site has signed the person out")
	}
}

// formEndpoints take forms, from clients or from our own pages.
var formEndpoints = []string{"/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/par", "/oauth/device", "/oauth/authorize", "/oauth/logout", "/login", "/consent", "/oauth/logout/confirm",
	"/login/password", "/signup", "/device", "/device/answer", "/account/profile", "/account/password", "/account/session", "/account/consent", "/account/everywhere"}

// A parameter that comes twice, in the address, or in JSON would be read by one
// side in one way and by the other in another (RFC 6749, sections 3.1 and 3.2).
func TestParametersAreUnambiguous(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", "")
	b := s.browser()
	s.hide(b.code(app))
	for _, path := range formEndpoints {
		for what, a := range map[string]*answer{
			"twice":          b.send("POST", path, form("client_id", "app", "x", "1", "x", "2"), app.basic()),
			"twice, escaped": b.send("POST", path, "client_id=app&%78=1&x=2", app.basic()),
			"in the address": b.send("POST", path+"?x=1", form("client_id", "app"), app.basic()),
			"JSON":           b.send("POST", path, `{"client_id":"app"}`, app.basic(), func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }),
			"plain text":     b.send("POST", path, "client_id=app", app.basic(), func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }),
			"half an escape": b.send("POST", path, "client_id=app&x=%", app.basic()),
		} {
			if a.status != 400 || a.header.Get("Location") != "" {
				t.Errorf("%s: %s: status %d: %s", path, what, a.status, a.text)
			}
		}
	}
	for _, path := range []string{"/oauth/authorize", "/oauth/authorize/continue", "/oauth/logout", "/oauth/logout/continue", "/login", "/consent", "/signup", "/account", "/device"} {
		if a := b.get(path+"?x=1&x=2").page(400, "This did not work"); a.header.Get("Location") != "" {
			t.Errorf("%s: sent to %s", path, a.header.Get("Location"))
		}
	}
}

// Nothing that a request says gets into the headers of an answer, nor as markup
// into a page (RFC 6749, section 10.14).
func TestNothingIsInjected(t *testing.T) {
	const line, markup = "a\r\nX-Injected: 1\r\nSet-Cookie: evil=1\r\n\r\n", "\"'><b id=injected>"
	s := start(t)
	s.person()
	app := s.appClient("app", `,"client_name":"<b id=injected>"`)
	b := s.browser()
	b.own(b.get(app.request()))
	b.post("/login", "login", ada, "password", password).to()
	names := []string{"ticket", "login", "password", "continue", "answer", "state", "nonce", "scope", "login_hint", "prompt", "max_age", "acr_values", "resource", "audience", "response_mode",
		"response_type", "redirect_uri", "client_id", "client_secret", "code", "code_verifier", "code_challenge", "grant_type", "refresh_token", "token", "id_token_hint",
		"post_logout_redirect_uri", "request_uri", "request", "assertion", "subject_token", "user_code", "device_code", "logout_token",
		"email", "name", "current", "new", "change", "id", "done", "lang", "ui_locales"}
	clean := func(what string, a *answer) {
		t.Helper()
		for name, values := range a.header {
			all := strings.Join(values, " ")
			if name == "X-Injected" || strings.Contains(all, "evil=1") && name != "Location" || strings.ContainsAny(all, "\r\n") {
				t.Errorf("%s: header %s: %q", what, name, values)
			}
		}
		if strings.Contains(a.text, "<b id=injected>") && strings.Contains(a.header.Get("Content-Type"), "html") {
			t.Errorf("%s: markup in the page: %s", what, a.text)
		}
		if a.status >= 500 {
			t.Errorf("%s: status %d", what, a.status)
		}
	}
	for _, name := range names {
		for _, value := range []string{line, markup} {
			clean("authorize "+name, b.get(app.request(name, value)))
			clean("sign-in "+name, b.own(b.get(app.request(name, value))))
			clean("sign-in page "+name, b.get("/login?"+form(name, value)))
			clean("log-out "+name, b.get("/oauth/logout?"+form(name, value)))
			clean("sign-up page "+name, b.get("/signup?"+form(name, value)))
			clean("account page "+name, b.get("/account?"+form(name, value)))
			for _, path := range formEndpoints {
				switch {
				case path == "/account/everywhere", path == "/account/password": // ends the session; hashes
				case strings.HasPrefix(path, "/oauth/"):
					clean(path+" "+name+" of a client", b.send("POST", path, form(name, value), app.basic()))
				default:
					clean(path+" "+name, b.send("POST", path, form(name, value)))
				}
			}
		}
	}
	for _, name := range []string{"User-Agent", "Origin", "Referer", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Request-Id", "Accept-Language"} {
		clean(name, b.send("GET", "/login", "", func(r *http.Request) { r.Header.Set(name, markup) }))
	}
	// Nor does the name by which a request calls us.
	evil := b.send("GET", app.request(), "", func(r *http.Request) { r.Host = "evil.example" }, header("X-Forwarded-Host", "evil.example"), header("X-Forwarded-Proto", "https"))
	if to := evil.to(); !strings.HasPrefix(to, "/consent?") {
		t.Errorf("another Host is sent to %s", to)
	}
}

// Every answer to a client says whose it is, once, so that a client of two
// issuers is not made to hand the code of one to the other (RFC 9207; RFC 9700,
// section 4.4).
func TestMixUp(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true`)
	if s.send("GET", "/.well-known/oauth-authorization-server", "", "").body["authorization_response_iss_parameter_supported"] != true {
		t.Error("the metadata does not promise it")
	}
	b := s.browser()
	s.hide(b.code(app))
	for what, more := range map[string][]string{
		"a code": nil, "an error": {"scope", "none"}, "nobody asked": {"prompt", "none", "max_age", "0"}, "an iss of the client's": {"iss", "https://other.example"},
		"an iss in the state": {"state", "x&iss=https://other.example"},
	} {
		to, err := url.Parse(b.get(app.request(more...)).to())
		if err != nil {
			t.Fatal(err)
		}
		if got := to.Query()["iss"]; !slices.Equal(got, []string{issuer}) {
			t.Errorf("%s: iss %q in %s", what, got, to)
		}
		if to.Query().Has("code") {
			s.hide(to.Query().Get("code"))
		}
		page := b.get(app.request(append(more, "response_mode", "form_post")...))
		if strings.Count(page.text, `name="iss"`) != 1 || page.hidden("iss") != issuer {
			t.Errorf("%s by form_post: %s", what, page.text)
		}
	}
}
