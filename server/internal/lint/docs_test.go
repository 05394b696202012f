package lint_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/lint"
)

// TestDocs: docs/cli.md lists every rule as it is.
func TestDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString("| rule | level | what is wrong | reference |\n|---|---|---|---|\n")
	for _, r := range lint.Rules() {
		level := r.Level.String()
		if r.Fatal {
			level += ", F"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.ID, level, r.Title, r.Reference)
	}
	text, err := os.ReadFile("../../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), b.String()) {
		t.Errorf("docs/cli.md doesn't hold the table of rules; put this in:\n%s", b.String())
	}
}
