package cli_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/cli"
)

// TestDocs: docs/cli.md shows every verb, and no command line that is wrong.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	verbs, err := cli.Verbs()
	if err != nil {
		t.Fatal(err)
	}
	if len(verbs) < 40 {
		t.Fatalf("only %d verbs: %q", len(verbs), verbs)
	}
	examples := examplesIn(string(text))
	for _, verb := range verbs {
		if !shown(examples, verb) {
			t.Errorf("docs/cli.md has no example of writ %s", verb)
		}
	}
	for _, args := range examples {
		if err := cli.Parses(args); err != nil {
			t.Errorf("docs/cli.md: writ %s: %v", strings.Join(args, " "), err)
		}
	}
}

func shown(examples [][]string, verb string) bool {
	for _, args := range examples {
		if strings.HasPrefix(strings.Join(args, " ")+" ", verb+" ") {
			return true
		}
	}
	return false
}

// examplesIn are the arguments of the calls of writ in the shell blocks of text.
func examplesIn(text string) [][]string {
	var examples [][]string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
			for _, call := range regexp.MustCompile(`(?:^|[|(] *)writ ([^|#)\n]*)`).FindAllStringSubmatch(line, -1) {
				examples = append(examples, split(call[1]))
			}
		}
	}
	return examples
}

// split is the shell's, as far as examples need it: words, quotation marks, and
// redirections, which are left out.
func split(call string) []string {
	var args []string
	redirected := false
	for _, word := range regexp.MustCompile(`'[^']*'|"[^"]*"|[^ \t'"]+`).FindAllString(call, -1) {
		switch {
		case redirected:
			redirected = false
		case word == ">" || word == "<":
			redirected = true
		default:
			args = append(args, strings.Trim(word, `'"`))
		}
	}
	return args
}

func TestExamplesIn(t *testing.T) {
	got := examplesIn("writ no\n```sh\necho x | writ token lint - # writ not\nwrit users add 'a b' \\\n  --name \"c d\" > file\nTOKEN=$(writ token sign --x)\n```\n")
	want := [][]string{{"token", "lint", "-"}, {"users", "add", "a b", "--name", "c d"}, {"token", "sign", "--x"}}
	if len(got) != len(want) {
		t.Fatalf("%q, want %q", got, want)
	}
	for i := range want {
		if strings.Join(got[i], "\n") != strings.Join(want[i], "\n") {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
}
