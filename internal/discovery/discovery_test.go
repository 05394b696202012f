package discovery_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/discovery"
	"github.com/writ-auth/writ/internal/fetch"
)

// serve starts an issuer that has one document at a path; ISSUER in it stands
// for its address.
func serve(t *testing.T, path, document string) (address string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Path)
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, strings.ReplaceAll(document, "ISSUER", "http://"+r.Host))
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestFetch(t *testing.T) {
	address, _ := serve(t, "/.well-known/openid-configuration", `{"issuer":"ISSUER","jwks_uri":"ISSUER/keys",
		"introspection_endpoint":"ISSUER/introspect","writ_revocations_endpoint":"ISSUER/revocations","writ_revocation_keys_endpoint":"ISSUER/log-keys",
		"scopes_supported":["openid"],"ISSUER":{"x":null}}`)
	got, err := discovery.Fetch(t.Context(), fetch.New(nil), address)
	if err != nil {
		t.Fatal(err)
	}
	want := discovery.Document{
		Issuer: address, JWKS: address + "/keys",
		Introspection: address + "/introspect", Revocations: address + "/revocations", LogKeys: address + "/log-keys",
	}
	if *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}
}

// OpenID Connect appends its path to that of the issuer; RFC 8414 section 3.1
// inserts its own.
func TestPlaces(t *testing.T) {
	address, asked := serve(t, "/.well-known/oauth-authorization-server/tenant/1", `{"issuer":"ISSUER/tenant/1"}`)
	if _, err := discovery.Fetch(t.Context(), fetch.New(nil), address+"/tenant/1"); err != nil {
		t.Fatal(err)
	}
	want := "[/tenant/1/.well-known/openid-configuration /.well-known/oauth-authorization-server/tenant/1]"
	if got := fmt.Sprint(*asked); got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	address, asked = serve(t, "/.well-known/openid-configuration", `{"issuer":"ISSUER/"}`)
	if _, err := discovery.Fetch(t.Context(), fetch.New(nil), address+"/"); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(*asked), "[/.well-known/openid-configuration]"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
}

func TestFetchRefuses(t *testing.T) {
	for name, document := range map[string]string{
		"another issuer":           `{"issuer":"https://evil.example"}`,
		"issuer with a slash":      `{"issuer":"ISSUER/"}`,
		"no issuer":                `{"jwks_uri":"ISSUER/keys"}`,
		"issuer twice":             `{"issuer":"https://evil.example","issuer":"ISSUER"}`,
		"issuer in capitals":       `{"Issuer":"ISSUER"}`,
		"issuer a list":            `{"issuer":["ISSUER"]}`,
		"keys over plain http":     `{"issuer":"ISSUER","jwks_uri":"http://a.example/keys"}`,
		"log keys over plain http": `{"issuer":"ISSUER","writ_revocation_keys_endpoint":"http://a.example/r"}`,
		"log over plain http":      `{"issuer":"ISSUER","writ_revocations_endpoint":"http://a.example/r"}`,
		"introspection by file":    `{"issuer":"ISSUER","introspection_endpoint":"file:///x"}`,
		"trailing data":            `{"issuer":"ISSUER"}{}`,
		"not JSON":                 `<html>`,
		"nothing":                  ``,
		"too large":                `{"issuer":"ISSUER","x":"` + strings.Repeat("x", 256<<10) + `"}`,
	} {
		address, _ := serve(t, "/.well-known/openid-configuration", document)
		if doc, err := discovery.Fetch(t.Context(), fetch.New(nil), address); err == nil || doc != nil {
			t.Errorf("%s: got %+v, %v; want an error", name, doc, err)
		}
	}
	slash, _ := serve(t, "/.well-known/openid-configuration", `{"issuer":"ISSUER"}`)
	want := fmt.Sprintf("discovery document names another issuer: it says %q, expected %q", slash, slash+"/")
	if _, err := discovery.Fetch(t.Context(), fetch.New(nil), slash+"/"); !errors.Is(err, discovery.ErrIssuer) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	address, _ := serve(t, "/nowhere", "")
	if _, err := discovery.Fetch(t.Context(), fetch.New(nil), address); !errors.Is(err, fetch.ErrStatus) {
		t.Errorf("no document: got %v, want ErrStatus", err)
	}
	if _, err := discovery.Fetch(t.Context(), fetch.New(nil), "http://a.example"); !errors.Is(err, fetch.ErrAddress) {
		t.Errorf("plain http: got %v, want ErrAddress", err)
	}
}

func FuzzFetch(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://a.example","jwks_uri":"https://a.example/keys"}`))
	f.Add([]byte(`{"issuer":"https://b.example"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		client := fetch.New(&http.Client{Transport: answer(body)})
		doc, err := discovery.Fetch(t.Context(), client, "https://a.example")
		if (err == nil) != (doc != nil) {
			t.Fatalf("got %v with %v", doc, err)
		}
		if err == nil && doc.Issuer != "https://a.example" {
			t.Fatalf("took the document of %q", doc.Issuer)
		}
	})
}

// answer is a network on which every address answers the same.
type answer []byte

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Write(a)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}
