package directory_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/directory"
)

func TestRedirectURIs(t *testing.T) {
	for _, good := range []string{
		"https://app.example.com/callback", "https://app.example.com", "https://app.example.com:8443/cb?tenant=a",
		"http://localhost/cb", "http://localhost:3000/cb", "http://127.0.0.1/cb", "http://[::1]:8080/cb", "http://app.localhost/cb",
		"com.example.app:/cb", "com.example.app://host/cb",
	} {
		if err := directory.CheckRedirectURIs("redirect_uris", []string{good}); err != nil {
			t.Errorf("%s is refused: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/cb", "//app.example.com/cb", "app.example.com/cb", "http://app.example.com/cb", "http://10.0.0.1/cb", "http://localhost.example.com/cb", "http://localhost@evil.example/cb",
		"https://", "https:///cb", "https:app.example.com", "https://user@app.example.com/cb", "https://user:pw@app.example.com/cb",
		"https://app.example.com/cb#", "https://app.example.com/cb#x", "https://app.example.com/*", "https://*.example.com/cb",
		"https://app.example.com/a/../cb", "https://app.example.com/a/%2e%2e/cb", "https://app.example.com/..", "https://app.example.com/./cb",
		`https://app.example.com\@evil.example/cb`, "https://app.example.com/c b", "https://app.example.com/\r\nX: y", "https://app.example.com/\x00",
		"https://äpp.example.com/cb", "https://app.example.com/<script>", "https://app.example.com/cb?code=x", "https://app.example.com/cb?state=x", "https://app.example.com/cb?error=x",
		"https://app.example.com/cb?iss=x", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "about:blank", "myapp:/cb", "urn:ietf:wg:oauth:2.0:oob",
		"https://app.example.com/" + strings.Repeat("a", 2048),
	} {
		if err := directory.CheckRedirectURIs("redirect_uris", []string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if err := directory.CheckRedirectURIs("redirect_uris", []string{"https://a.example/", "https://a.example/"}); err == nil {
		t.Error("one address twice is taken")
	}
}

func TestOrigins(t *testing.T) {
	for _, good := range []string{"https://app.example.com", "https://app.example.com:8443", "http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"} {
		if err := directory.CheckOrigins("allowed_origins", []string{good}); err != nil {
			t.Errorf("%s is refused: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "*", "null", "https://*.example.com", "https://app.example.com/", "https://app.example.com/x", "https://app.example.com?x", "https://app.example.com#", "https://APP.example.com",
		"HTTPS://app.example.com", "https://app.example.com:443", "http://localhost:80", "https://app.example.com:", "http://app.example.com", "https://user@app.example.com",
		"app.example.com", "com.example.app://x", "ftp://app.example.com", "https://", "https://app.example.com https://b.example",
	} {
		if err := directory.CheckOrigins("allowed_origins", []string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// Whatever is taken as a redirect URI is one that no browser reads as script,
// and that means the same to every parser.
func FuzzRedirectURIs(f *testing.F) {
	for _, seed := range []string{"https://a.example/cb", "http://localhost:1/", "com.example:/x", "javascript:alert(1)", `https://a\@b`, "https://a/%2e%2e/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if directory.CheckRedirectURIs("redirect_uris", []string{s}) != nil {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.User != nil || u.Fragment != "" || strings.ContainsAny(s, "\\#\r\n\t *\x00") {
			t.Fatalf("%q is taken", s)
		}
		switch {
		case u.Scheme == "https" && u.Host != "", strings.Contains(u.Scheme, "."):
		case u.Scheme == "http" && u.Hostname() != "":
		default:
			t.Fatalf("%q is taken with scheme %q and host %q", s, u.Scheme, u.Host)
		}
	})
}

func FuzzOrigins(f *testing.F) {
	for _, seed := range []string{"https://a.example", "http://localhost:3000", "https://a.example:443", "https://[::1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if directory.CheckOrigins("allowed_origins", []string{s}) != nil {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme+"://"+u.Host != s || u.Host == "" || strings.ContainsAny(s, ", *") {
			t.Fatalf("%q is taken", s)
		}
	})
}
