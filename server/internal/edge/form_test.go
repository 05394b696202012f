package edge_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

const formType = "application/x-www-form-urlencoded"

func readForm(body string) (edge.Form, error) {
	return edge.ReadForm(httptest.NewRecorder(), post(formType, body))
}

func TestReadForm(t *testing.T) {
	for body, want := range map[string]edge.Form{
		"":                       {},
		"a=1&b=2":                {"a": "1", "b": "2"},
		"a=%C3%A4+b%2Bc":         {"a": "ä b+c"},
		"&a=1&&":                 {"a": "1"},
		"a=":                     {},
		"a":                      {},
		"a=b=c":                  {"a": "b=c"},
		"=1":                     {"": "1"},
		"A=1&a=2":                {"A": "1", "a": "2"},
		"%61=1":                  {"a": "1"},
		`{"grant_type":"x"}`:     {},
		"a=%00":                  {"a": "\x00"},
		strings.Repeat("a", 300): {},
	} {
		got, err := readForm(body)
		if err != nil {
			t.Errorf("%q: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", body, diff)
		}
	}
}

// An error names the parameter that is to blame, and no value.
func TestReadFormRefuses(t *testing.T) {
	for body, field := range map[string]string{
		"a=secret&a=secret":         "a",
		"a=secret&a=":               "a",
		"a&a":                       "a",
		"a=secret&%61=secret":       "a",
		"a=secret%":                 "",
		"a=secret%zz":               "",
		"%=secret":                  "",
		"a=%ffsecret":               "",
		"%ff=secret":                "",
		"a=secret;b=2":              "",
		"grant_type=1&grant_type=2": "grant_type",
		// Not what somebody wants a page of ours to say.
		"Call+555+now=1&Call+555+now=2": "",
		"a+b=1&a+b=2":                   "",
		"Your-account=1&Your-account=2": "",
		strings.Repeat("b", 300) + "=1&" + strings.Repeat("b", 300): "",
	} {
		_, err := readForm(body)
		var e *auth.Error
		if !errors.As(err, &e) || e.Code != auth.CodeInvalid || e.Field != field || strings.Contains(e.Error(), "secret") {
			t.Errorf("%q: %v (field %q), want %s for the field %q", body, err, fieldOf(err), auth.CodeInvalid, field)
		}
	}
}

func fieldOf(err error) string {
	var e *auth.Error
	if errors.As(err, &e) {
		return e.Field
	}
	return ""
}

// Whatever ReadForm lets through, net/url reads in the same way, and once.
func FuzzReadForm(f *testing.F) {
	for _, body := range []string{"", "a=1&b=2", "a=%C3%A4+b%2Bc", "a&a", "a=%", "&&=", "a;b", "%61=1&a=2", "a=\xff"} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := readForm(body)
		if err != nil {
			return
		}
		want, err := url.ParseQuery(body)
		if err != nil {
			t.Fatalf("%q: net/url refuses it: %v", body, err)
		}
		for name, values := range want {
			if len(values) != 1 || got[name] != values[0] || !utf8.ValidString(name+values[0]) {
				t.Errorf("%q: %q is %q, net/url reads %q", body, name, got[name], values)
			}
		}
		for _, name := range slices.Collect(maps.Keys(got)) {
			if !want.Has(name) || got[name] == "" {
				t.Errorf("%q: %q is %q, net/url knows nothing of it", body, name, got[name])
			}
		}
	})
}

func TestOAuthHandler(t *testing.T) {
	h := edge.OAuthHandler(func(w http.ResponseWriter, r *http.Request) error {
		return auth.Errorf("invalid_scope", "No \"such\" scope.")
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, post(formType, ""))
	if w.Code != 400 || w.Body.String() != `{"error":"invalid_scope","error_description":"No 'such' scope."}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
