package fetch_test

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/fetch"
)

func TestParseURL(t *testing.T) {
	for address, want := range map[string]error{
		"https://a.example":               nil,
		"https://a.example:8443/x?y=z":    nil,
		"http://localhost:8080":           nil,
		"http://127.0.0.1":                nil,
		"http://127.9.9.9":                nil,
		"http://[::1]:80":                 nil,
		"http://a.example":                fetch.ErrAddress,
		"http://localhost.a.example":      fetch.ErrAddress,
		"http://localhost@a.example":      fetch.ErrAddress,
		"http://10.0.0.1":                 fetch.ErrAddress,
		"http://0.0.0.0":                  fetch.ErrAddress,
		"https://user@a.example":          fetch.ErrAddress,
		"https://a.example/#x":            fetch.ErrAddress,
		"https://:443/":                   fetch.ErrAddress,
		"ftp://a.example":                 fetch.ErrAddress,
		"//a.example":                     fetch.ErrAddress,
		"":                                fetch.ErrAddress,
		"https://a.example/\x00":          fetch.ErrAddress,
		"https://a.example\r\nHost: evil": fetch.ErrAddress,
	} {
		if _, err := fetch.ParseURL(address); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", address, err, want)
		}
	}
	for address, want := range map[string]string{
		"a.example": "does not begin with https://", "localhost:8080": "does not begin with https://", "https:///keys": "no host",
	} {
		if _, err := fetch.ParseURL(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error that says %q", address, err, want)
		}
	}
}

func TestGet(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.Header.Get("X") + "ten bytes")) })
	mux.Handle("/moved", http.RedirectHandler("/ok", http.StatusMovedPermanently))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.Handle("/away", http.RedirectHandler("https://evil.example/", http.StatusFound))
	mux.Handle("/port", http.RedirectHandler("http://localhost:1/", http.StatusFound))
	server := httptest.NewServer(mux)
	defer server.Close()
	client := fetch.New(nil)
	for _, c := range []struct {
		path  string
		limit int64
		want  error
	}{
		{"/ok", 10, nil}, {"/moved", 10, nil}, {"/ok", 9, fetch.ErrTooLarge},
		{"/loop", 10, fetch.ErrRedirect}, {"/away", 10, fetch.ErrRedirect}, {"/port", 10, fetch.ErrRedirect},
	} {
		answer, err := client.Get(t.Context(), server.URL+c.path, http.Header{"X": {"+"}}, c.limit)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.path, err, c.want)
		}
		if err == nil && (answer.Status != 200 || string(answer.Body) != "+ten bytes") {
			t.Errorf("%s: got %d %q", c.path, answer.Status, answer.Body)
		}
	}
	if _, err := client.Get(t.Context(), "http://a.example/", nil, 10); !errors.Is(err, fetch.ErrAddress) {
		t.Errorf("plain http: got %v, want ErrAddress", err)
	}
}

// A POST carries credentials: it goes where it was meant to go or nowhere.
func TestPostIsNotRedirected(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/a", http.RedirectHandler("/b", http.StatusTemporaryRedirect))
	mux.HandleFunc("/b", func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	server := httptest.NewServer(mux)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/a", strings.NewReader("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetch.New(nil).Do(req, 10); !errors.Is(err, fetch.ErrRedirect) {
		t.Errorf("got %v, want ErrRedirect", err)
	}
}

// A caller's own rule about redirects holds besides ours.
func TestCallersRedirectRule(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("/x", http.StatusFound))
	defer server.Close()
	mine := errors.New("none of that")
	client := fetch.New(&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return mine }})
	if _, err := client.Get(t.Context(), server.URL, nil, 10); !errors.Is(err, mine) {
		t.Errorf("got %v, want the caller's error", err)
	}
}

// From https to http at the same host is another origin: what comes that way
// anybody may have written.
func TestRedirectToPlainHTTP(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/", http.StatusFound)
	}))
	defer server.Close()
	if _, err := fetch.New(server.Client()).Get(t.Context(), server.URL, nil, 10); !errors.Is(err, fetch.ErrRedirect) {
		t.Errorf("got %v, want ErrRedirect", err)
	}
}

// The cookies of the program that lends its client are nothing to the issuer.
func TestNoCookies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Errorf("asked with %v", r.Cookies())
		}
	}))
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	jar.SetCookies(address, []*http.Cookie{{Name: "session", Value: "x"}})
	if _, err := fetch.New(&http.Client{Jar: jar}).Get(t.Context(), server.URL, nil, 10); err != nil {
		t.Error(err)
	}
}
