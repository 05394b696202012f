package edge_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

func cookies(t *testing.T, issuer, domain, path string) edge.Cookies {
	t.Helper()
	c, err := edge.NewCookies(issuer, domain, path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCookieFlags(t *testing.T) {
	tests := []struct {
		name, issuer, domain, path string
		want                       []string
	}{
		{"https", "https://auth.example.com", "", "", []string{
			"__Host-writ_rt=v; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Strict",
			"__Host-writ_at=v; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Lax",
			"__Host-writ_s=v; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Lax",
		}},
		{"loopback", "http://localhost:8080", "", "", []string{
			"writ_rt=v; Path=/; Max-Age=90; HttpOnly; SameSite=Strict",
			"writ_at=v; Path=/; Max-Age=90; HttpOnly; SameSite=Lax",
			"writ_s=v; Path=/; Max-Age=90; HttpOnly; SameSite=Lax",
		}},
		{"relaxed", "https://auth.example.com", "example.com", "/v1", []string{
			"__Secure-writ_rt=v; Path=/v1; Max-Age=90; HttpOnly; Secure; SameSite=Strict",
			"__Secure-writ_at=v; Path=/; Domain=example.com; Max-Age=90; HttpOnly; Secure; SameSite=Lax",
			"__Host-writ_s=v; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Lax",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := cookies(t, tt.issuer, tt.domain, tt.path)
			w := httptest.NewRecorder()
			for _, which := range []edge.Cookie{edge.RefreshCookie, edge.AccessCookie, edge.SessionCookie} {
				if err := c.Set(w, which, "v", 90*time.Second+999*time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tt.want, w.Header()["Set-Cookie"]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			w = httptest.NewRecorder()
			c.ClearAll(w)
			for i, line := range w.Header()["Set-Cookie"] {
				want := strings.Replace(strings.Replace(tt.want[i], "=v;", "=;", 1), "Max-Age=90", "Max-Age=0", 1)
				if line != want {
					t.Errorf("cleared by %q, want %q", line, want)
				}
			}
		})
	}
}

func TestNewCookiesRefuses(t *testing.T) {
	for _, args := range [][3]string{
		{"auth.example.com", "", ""}, {"ftp://auth.example.com", "", ""}, {"https://", "", ""},
		{"https://auth.example.com", "", "/v1;Domain=x"}, {"https://auth.example.com", "a b", ""},
	} {
		if _, err := edge.NewCookies(args[0], args[1], args[2]); err == nil {
			t.Errorf("NewCookies(%q) is no error", args)
		}
	}
}

func TestCookieSetRefuses(t *testing.T) {
	c := cookies(t, "https://auth.example.com", "", "")
	w := httptest.NewRecorder()
	var e *auth.Error
	if err := c.Set(w, edge.AccessCookie, strings.Repeat("a", 4096), time.Hour); !errors.As(err, &e) || e.Code != auth.CodeTokenTooLarge {
		t.Errorf("a token that browsers would drop: %v", err)
	}
	if err := c.Set(w, edge.AccessCookie, strings.Repeat("a", 4096-len("__Host-writ_at")), time.Hour); err != nil {
		t.Errorf("the largest token: %v", err)
	}
	for _, value := range []string{"", "a;b", "a b", "a\r\nSet-Cookie: x", `"a"`, "ü"} {
		if c.Set(httptest.NewRecorder(), edge.AccessCookie, value, time.Hour) == nil {
			t.Errorf("%q is set", value)
		}
	}
}

func TestCookieRead(t *testing.T) {
	tests := []struct {
		name    string
		lines   []string
		want    string
		refused bool
	}{
		{"none", nil, "", false},
		{"one", []string{"__Host-writ_rt=abc-_.~9"}, "abc-_.~9", false},
		{"among others", []string{"a=b; __Host-writ_rt=x; c=d"}, "x", false},
		{"without spaces", []string{"a=b;__Host-writ_rt=x;c"}, "x", false},
		{"other case", []string{"__host-writ_rt=x"}, "", false},
		{"without the prefix", []string{"writ_rt=x"}, "", false},
		{"twice", []string{"__Host-writ_rt=x; __Host-writ_rt=y"}, "", true},
		{"twice the same", []string{"__Host-writ_rt=x; __Host-writ_rt=x"}, "", true},
		{"on two lines", []string{"__Host-writ_rt=x", "__Host-writ_rt=y"}, "", true},
		{"with a malformed twin", []string{"__Host-writ_rt=x; __Host-writ_rt=a b\x01"}, "", true},
		{"with a spaced twin", []string{"__Host-writ_rt=x; __Host-writ_rt =y"}, "", true},
		{"with an empty twin", []string{"__Host-writ_rt=x; __Host-writ_rt"}, "", true},
		{"quoted", []string{`__Host-writ_rt="x"`}, "", true},
		{"malformed", []string{"__Host-writ_rt=a,b"}, "", true},
	}
	c := cookies(t, "https://auth.example.com", "", "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/x", nil)
			r.Header["Cookie"] = tt.lines
			got, err := c.Read(r, edge.RefreshCookie)
			if got != tt.want || (err != nil) != tt.refused {
				t.Errorf("got %q, %v; want %q, refused %v", got, err, tt.want, tt.refused)
			}
			if presented := tt.want != "" || tt.refused; c.Presented(r) != presented {
				t.Errorf("Presented() = %v", !presented)
			}
		})
	}
}

func TestCookieStrip(t *testing.T) {
	c := cookies(t, "https://auth.example.com", "", "")
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Cookie"] = []string{"a=1; __Host-writ_at=x;b=2", "__Host-writ_rt=y; __Host-writ_s = z", "writ_at=own"}
	c.Strip(r)
	if diff := cmp.Diff([]string{"a=1; b=2", "writ_at=own"}, r.Header["Cookie"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.Header["Cookie"] = []string{"__Host-writ_at=x"}
	if c.Strip(r); r.Header["Cookie"] != nil {
		t.Errorf("left over: %q", r.Header["Cookie"])
	}
}

func TestSameOrigin(t *testing.T) {
	allowed := []string{"https://auth.example.com", "https://app.example.com", "null"}
	tests := []struct {
		name, method string
		header       http.Header
		ok           bool
	}{
		{"GET", "GET", http.Header{"Sec-Fetch-Site": {"cross-site"}}, true},
		{"HEAD", "HEAD", nil, true},
		{"OPTIONS", "OPTIONS", nil, true},
		{"same origin", "POST", http.Header{"Sec-Fetch-Site": {"same-origin"}}, true},
		{"our origin", "POST", http.Header{"Origin": {"https://auth.example.com"}}, true},
		{"allowed origin", "DELETE", http.Header{"Origin": {"https://app.example.com"}, "Sec-Fetch-Site": {"same-site"}}, true},
		{"neither", "POST", nil, false},
		{"custom method", "PURGE", nil, false},
		{"same site", "POST", http.Header{"Sec-Fetch-Site": {"same-site"}}, false},
		{"cross site", "POST", http.Header{"Sec-Fetch-Site": {"cross-site"}}, false},
		{"typed address", "POST", http.Header{"Sec-Fetch-Site": {"none"}}, false},
		{"other case", "POST", http.Header{"Sec-Fetch-Site": {"Same-Origin"}}, false},
		{"said twice", "POST", http.Header{"Sec-Fetch-Site": {"same-origin", "cross-site"}}, false},
		{"foreign origin", "POST", http.Header{"Origin": {"https://evil.example"}}, false},
		{"null origin", "POST", http.Header{"Origin": {"null"}}, false},
		{"empty origin", "POST", http.Header{"Origin": {""}}, false},
		{"prefix", "POST", http.Header{"Origin": {"https://app.example.com.evil.example"}}, false},
		{"subdomain", "POST", http.Header{"Origin": {"https://x.app.example.com"}}, false},
		{"scheme", "POST", http.Header{"Origin": {"http://app.example.com"}}, false},
		{"port", "POST", http.Header{"Origin": {"https://app.example.com:443"}}, false},
		{"slash", "POST", http.Header{"Origin": {"https://app.example.com/"}}, false},
		{"two origins", "POST", http.Header{"Origin": {"https://app.example.com", "https://evil.example"}}, false},
		{"referer alone", "POST", http.Header{"Referer": {"https://auth.example.com/login"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/v1/refresh", nil)
			r.Header = tt.header
			err := edge.SameOrigin(r, allowed)
			if (err == nil) != tt.ok {
				t.Fatalf("got %v, want allowed %v", err, tt.ok)
			}
			var e *auth.Error
			if err != nil && (!errors.As(err, &e) || e.Code != auth.CodeCrossSite) {
				t.Errorf("got %v, want %s", err, auth.CodeCrossSite)
			}
		})
	}
}
