package cli_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/cli"
)

// TestInterrupted: who presses Ctrl-C reads that, and not how the program is made.
// A back-up leaves nothing behind.
func TestInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		interrupt()
		<-r.Context().Done()
	}))
	defer server.Close()
	dir := t.TempDir()
	var stderr bytes.Buffer
	status := cli.Run(ctx, cli.Environment{
		Args:    []string{"backup", filepath.Join(dir, "writ.backup"), "--server", server.URL},
		Environ: []string{"WRIT_ADMIN_TOKEN=token"}, Stdout: io.Discard, Stderr: &stderr, Now: time.Now,
	})
	if got := stderr.String(); status != 1 || got != "writ: interrupted\n" {
		t.Errorf("status %d, %q", status, got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
