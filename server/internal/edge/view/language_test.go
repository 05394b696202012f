package view_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/edge/view"
)

func languageOf(locales, accept string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Language", accept)
	return view.LanguageOf(r, locales)
}

func TestLanguageOf(t *testing.T) {
	for _, c := range []struct{ locales, accept, want string }{
		{"", "", "en"}, {"", "*", "en"}, {"", "de", "de"}, {"", "DE-at", "de"}, {"", "fr, de;q=0.2, en;q=0.1", "de"},
		{"", "en;q=0.1, de;q=0.2", "de"}, {"", "en, de", "en"}, {"", "de;q=0", "en"}, {"", "de;q=x, en", "en"}, {"", "den", "en"},
		{"de", "en", "de"}, {"fr de-CH", "en", "de"}, {"fr", "de", "de"}, {"", strings.Repeat("fr,", 200) + "de", "en"},
	} {
		if got := languageOf(c.locales, c.accept); got != c.want {
			t.Errorf("%q, %.40q: %s, want %s", c.locales, c.accept, got, c.want)
		}
	}
}

// FuzzLanguageOf: whatever is asked for, there are pages in what is chosen.
func FuzzLanguageOf(f *testing.F) {
	f.Add("de", "fr;q=0.5, en")
	f.Add("", "de;q=NaN,;,q=1")
	f.Fuzz(func(t *testing.T, locales, accept string) {
		if got := languageOf(locales, accept); !slices.Contains(view.Languages(), got) {
			t.Errorf("%q", got)
		}
	})
}
