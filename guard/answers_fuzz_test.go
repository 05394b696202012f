package guard_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
)

// FuzzCookie: where net/http finds one cookie of the name, it is that one, and
// where it finds two there is none.
func FuzzCookie(f *testing.F) {
	for _, line := range []string{"at=abc", "x=1; at=abc; y=2", "at=abc; at=def", "at", "at =abc", "AT=abc", `at="a b"`, "at=a=b;", ";;at=\t"} {
		f.Add(line, "")
	}
	f.Add("at=abc", "at=def")
	f.Fuzz(func(t *testing.T, one, two string) {
		lines := []string{one, two}
		value, err := guard.CookieValue(lines, "at")
		if (err == nil) != (value != "") || strings.Contains(value, ";") {
			t.Fatalf("%q: got %q, %v", lines, value, err)
		}
		var others []*http.Cookie
		for _, c := range (&http.Request{Header: http.Header{"Cookie": lines}}).Cookies() {
			if c.Name == "at" {
				others = append(others, c)
			}
		}
		switch {
		case len(others) > 1 && err == nil:
			t.Fatalf("%q: of %d cookies %q was taken", lines, len(others), value)
		case len(others) == 1 && err == nil && !others[0].Quoted && strings.Trim(others[0].Value, " \t") != value:
			t.Fatalf("%q: got %q, net/http has %q", lines, value, others[0].Value)
		}
	})
}

// object is what package encoding/json reads; nil if that is no object.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var members map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&members); err != nil || !json.Valid([]byte(text)) {
		t.Fatalf("%q was accepted: %v", text, err)
	}
	return members
}

// FuzzActive: an answer is a yes only if package encoding/json reads one.
func FuzzActive(f *testing.F) {
	for _, text := range []string{`{"active":true}`, `{"active":false}`, `{"active":"true"}`, `{"a":{"active":true}}`, `{"active":true}x`, `{"active":true,"active":false}`, `{}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		active, err := guard.Active(text)
		if err != nil {
			if active {
				t.Fatalf("%q: a yes with %v", text, err)
			}
			return
		}
		if want, _ := object(t, text)["active"].(bool); active != want {
			t.Fatalf("%q: %v", text, active)
		}
	})
}

// FuzzSigner: the members are those that package encoding/json reads, and the age
// has its bounds.
func FuzzSigner(f *testing.F) {
	for _, text := range []string{
		`{"client_id":"c","audience":"a","scope":"x y","epoch":"e","max_age":60,"keys":[]}`,
		`{"max_age":-1}`, `{"max_age":1e3}`, `{"max_age":99999999999999999999}`, `{"epoch":"a","epoch":"b"}`, `{"Epoch":"a"}`, `[]`, `{`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, age, err := guard.Signer(text)
		if err != nil {
			return
		}
		if age < time.Second || age > 10*time.Minute {
			t.Fatalf("%q: the age is %v", text, age)
		}
		want := object(t, text)
		for name, value := range members {
			if s, _ := want[name].(string); s != value {
				t.Fatalf("%q: %s is %q", text, name, value)
			}
		}
	})
}

// FuzzStringsAt: what a path leads to is what package encoding/json has there.
func FuzzStringsAt(f *testing.F) {
	for _, text := range []string{`{"a":{"b":["x","y"]}}`, `{"a":{"b":"x"}}`, `{"a":{"b":1}}`, `{"a":[]}`, `{"a":{"b":[1]}}`, `{}`, `{"a":{"b":[]}}`} {
		f.Add(text, "a.b")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		names := strings.Split(path, ".")
		got, err := guard.StringsAt(text, names)
		if err != nil {
			return
		}
		var at any = object(t, text)
		for _, name := range names {
			members, _ := at.(map[string]any)
			at = members[name]
		}
		var want []string
		switch at := at.(type) {
		case nil:
		case string:
			want = []string{at}
		case []any:
			want = []string{}
			for _, v := range at {
				s, _ := v.(string)
				want = append(want, s)
			}
		default:
			t.Fatalf("%q: %q at %q", text, got, path)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %q at %q, want %q", text, got, path, want)
		}
	})
}
