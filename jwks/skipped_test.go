package jwks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
)

// One odd key takes no other with it, and an operator can read of it: once, for
// as long as the set has it.
func TestOddKeysAreLoggedOnce(t *testing.T) {
	key := publicKey(t)
	set := func(odd string) http.HandlerFunc {
		text, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"keys":[%s%s]}`, odd, text) }
	}
	var log bytes.Buffer
	i := newIssuer(t, set(""))
	r := i.remote(t, func(cfg *jwks.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	const odd, other = `{"kty":"NEW","alg":-48},{"kty":"EC","kid":1},`, `{"kty":"EC","kid":1},`
	for n, step := range []struct {
		odd  string
		want int // lines until now
	}{{"", 0}, {odd, 1}, {odd, 1}, {other, 2}, {"", 2}, {other, 3}} {
		i.answers(set(step.odd))
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		if got := strings.Count(log.String(), "left out"); got != step.want {
			t.Errorf("%d: %d lines, want %d", n, got, step.want)
		}
		mustFind(t, r, key)
	}
	first, _, _ := strings.Cut(log.String(), "\n")
	for _, want := range []string{"source=" + i.URL + "/keys", "count=2", "key 0 of the set: " + jwk.ErrMalformed.Error()} {
		if !strings.Contains(first, want) {
			t.Errorf("%q does not say %q", first, want)
		}
	}
}
