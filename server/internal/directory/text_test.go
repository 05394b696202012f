package directory_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
)

func TestEmail(t *testing.T) {
	for _, good := range []string{"a@b", "ada@example.com", "o'hara+tag@example.co.uk", "ada@xn--bcher-kva.example", "дa@example.com", "admin@localhost"} {
		if err := directory.CheckEmail("email", good); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
	for _, bad := range []string{"", "@", "a@", "@b", "a@b@c", "a b@c", "a@b ", "a@b\n", "a\x00@b", "a\u00a0@b", "a\u200b@b", "a\u202e@b", "a\xff@b", strings.Repeat("a", 250) + "@b.example"} {
		if err := directory.CheckEmail("email", bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestUsername(t *testing.T) {
	for _, good := range []string{"ada", "Ada.Lovelace", "a_b-c", "x", "usr", "user_1", strings.Repeat("a", 64)} {
		if err := directory.CheckUsername("username", good); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
	for _, bad := range []string{"", "a@b", "a b", "a/b", "\u00e9", "a\u200b", "\u212a", "usr_", "usr_AbC", "USR_abc", strings.Repeat("a", 65)} {
		if err := directory.CheckUsername("username", bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestClaims(t *testing.T) {
	for object, want := range map[string]string{`{}`: "", ` { } `: "", `{"plan":"pro"}`: `{"plan":"pro"}`, `{"a":{"sub":"inner"}}`: `{"a":{"sub":"inner"}}`} {
		got, err := directory.CheckClaims("claims", json.RawMessage(object))
		if err != nil || string(got) != want {
			t.Errorf("%s gives %s, %v; want %s", object, got, err, want)
		}
	}
	for _, bad := range []string{"", "null", "[]", "1", `"x"`, `{"a":1}{}`, `{"a":1,}`, `{"a":01}`, `{"a":1e999}`, `{"a":"\ud800"}`, `{"exp":1}`, `{"e\u0078p":1}`, `{"EXP":1}`, `{"Roles":[]}`, `{"\u017fub":1}`, `{"Writ_x":1}`,
		`{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, `{"a\n":1}`} {
		if _, err := directory.CheckClaims("claims", json.RawMessage(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// Whatever is taken as claims is an object that every parser reads alike and
// that replaces nothing of ours.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{`{"plan":"pro"}`, `{"sub":1}`, `{"s\u0075b":1}`, `{"a":{"b":[1,2]}}`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := directory.CheckClaims("claims", data)
		if err != nil || got == nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(got, &members); err != nil || len(members) == 0 || len(got) > 4096 {
			t.Fatalf("%q is taken: %v", data, err)
		}
		for name := range members {
			if auth.ReservedClaim(name) {
				t.Fatalf("%q is taken with the claim %q", data, name)
			}
		}
	})
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"Ada", "a\nb", "\x1b[0m", "\u202e", "👩‍👧", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if directory.CheckText("name", s, 256) == nil && strings.ContainsFunc(s, unicode.IsControl) {
			t.Fatalf("%q is taken", s)
		}
	})
}
