package jwt_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestFuzzingPage holds docs/security/fuzzing.md to the repository: the fuzz
// test of each row is there, and has as many files as the row says.
func TestFuzzingPage(t *testing.T) {
	page := string(must[[]byte](t)(os.ReadFile("../docs/security/fuzzing.md")))
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\| `(Fuzz[A-Za-z0-9]+)` \\|.*\\| ([0-9]+) \\|$")
	rows := row.FindAllStringSubmatch(page, -1)
	if len(rows) == 0 {
		t.Fatal("the page has no rows: this test looks for them in the wrong way")
	}
	for _, m := range rows {
		dir, name, want := m[1], m[2], m[3]
		found := false
		for _, file := range must[[]string](t)(filepath.Glob("../" + dir + "/*_test.go")) {
			text := string(must[[]byte](t)(os.ReadFile(file)))
			found = found || strings.Contains(text, "\nfunc "+name+"(f *testing.F)")
		}
		if !found {
			t.Errorf("%s has no %s", dir, name)
		}
		corpus := must[[]string](t)(filepath.Glob(filepath.Join("..", dir, "testdata", "fuzz", name, "*")))
		if got := strconv.Itoa(len(corpus)); got != want {
			t.Errorf("%s %s: the page says %s files, there are %s", dir, name, want, got)
		}
	}
}
