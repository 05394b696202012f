package jwks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwks"
)

// FuzzLifetime: no header makes us ask all the time or keep keys for ever, and
// what a plain max-age says counts.
func FuzzLifetime(f *testing.F) {
	for _, v := range []string{"max-age=60", "max-age=600, public", "no-store", "No-Cache", `max-age="5"`, "max-age=-1", "max-age=99999999999999999999", "max-age", ",,=,"} {
		f.Add(v, "")
		f.Add(v, "10")
	}
	r, err := jwks.New(jwks.Config{URL: "https://issuer.example/jwks.json", MaxStale: time.Hour, Cooldown: 30 * time.Second, MaxAge: 10 * time.Minute})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { r.Close() })
	f.Fuzz(func(t *testing.T, control, age string) {
		header := http.Header{"Cache-Control": {control}, "Age": {age}}
		got := r.Lifetime(header)
		if got < time.Second || got > time.Hour {
			t.Fatalf("%q, age %q: %v", control, age, got)
		}
		lower := strings.ToLower(control)
		said := strings.Contains(lower, "max-age") || strings.Contains(lower, "no-")
		if !said && age == "" && got != 10*time.Minute {
			t.Fatalf("%q says nothing, and counts for %v", control, got)
		}
		if lower == "no-store" && age == "" && got != 30*time.Second {
			t.Fatalf("%q: %v", control, got)
		}
	})
}
