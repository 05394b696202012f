package store_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/writ-auth/writ/server/internal/store"
)

func TestStoredText(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"Ann Ä 😀 \U0010fe00":     "Ann Ä 😀 \U0010fe00",
		"a\x00b":                 "a\U0010ff00b",
		"\xff":                   "\U0010ffff",
		"\ufffd":                 "\ufffd",
		"\xf4\x8f\xbf":           "\U0010fff4\U0010ff8f\U0010ffbf",
		"\U0010ff41":             "\U0010fff4\U0010ff8f\U0010ffbd\U0010ff81",
		"\xf4\x8f\xbb\xbf plain": "\xf4\x8f\xbb\xbf plain",
	} {
		if got := store.Stored(text); got != want {
			t.Errorf("%q is stored as %q, want %q", text, got, want)
		}
	}
}

// Whatever a stranger sends can be stored by either engine, is read as it was,
// and is no other's.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a\x00", "\xff\xfe", "\U0010ff00", "\xf4\x8f\xbc", "\xf4\x8f\xbc\x80\xf4\x8f", "ä\x80"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		stored := store.Stored(a)
		if !utf8.ValidString(stored) || strings.Contains(stored, "\x00") {
			t.Errorf("%q is stored as %q, which PostgreSQL refuses", a, stored)
		}
		if got := store.Read(stored); got != a {
			t.Errorf("%q is read as %q", a, got)
		}
		if (stored == store.Stored(b)) != (a == b) {
			t.Errorf("%q and %q are stored alike", a, b)
		}
	})
}

// FuzzPlainList: what the short way reads is what package json reads.
func FuzzPlainList(f *testing.F) {
	for _, s := range []string{`["openid"]`, `["a","b c","ä"]`, `[""]`, `["","",""]`, `[]`, `null`, `["a\\u0041"]`, `["a", "b"]`, `["a"`, `["a","]`, `["a"b"]`, "[\"a\n\"]", "[\"\xff\"]", `["a",1]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := store.PlainList(s)
		if !ok {
			return
		}
		var want []string
		if err := json.Unmarshal([]byte(s), &want); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q, %v", s, got, want, err)
		}
	})
}

func TestPlainList(t *testing.T) {
	for _, words := range [][]string{{"openid"}, {"a", "b c", "ä"}, {""}} {
		text, _ := json.Marshal(words)
		if got, ok := store.PlainList(string(text)); !ok || !slices.Equal(got, words) {
			t.Errorf("%s: %q, %v; want %q", text, got, ok, words)
		}
	}
}
