package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/writ-auth/writ/internal/testenv"
)

// TestJavaScriptClient runs the tests of the browser client: its rules on a
// clock of their own, the size of what is published and its types.
func TestJavaScriptClient(t *testing.T) {
	// What it runs lies outside of this module, where go test's cache doesn't
	// look; this variable has another value in each run of make test.
	os.Getenv("TEST_RUN")
	dir := filepath.Join("..", "clients", "js")
	node := testenv.NeedNodeModules(t, dir)
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("node_modules", "vitest", "vitest.mjs"), "run", "--reporter=dot")
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("vitest: %v\n%s", err, text)
	}
}
