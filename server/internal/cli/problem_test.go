package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/cli"
)

// What a client may not know is no help to an operator: a server that can't
// answer says where to look.
func TestServerInTrouble(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusServiceUnavailable:  "writ doctor",
		http.StatusInternalServerError: "request=req_1",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			io.WriteString(w, `{"code":"unavailable","detail":"No.","instance":"req_1"}`)
		}))
		defer server.Close()
		var stderr bytes.Buffer
		code := cli.Run(t.Context(), cli.Environment{
			Args:    []string{"users", "list", "--server", server.URL},
			Environ: []string{"WRIT_ADMIN_TOKEN=token"}, Stdout: io.Discard, Stderr: &stderr, Now: time.Now,
		})
		if code != 1 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%d: exit status %d, %q, want 1 and %q", status, code, stderr.String(), want)
		}
	}
}
