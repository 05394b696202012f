package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLinks wants every relative link of every document to lead to a file, and
// to a heading where it names one.
func TestLinks(t *testing.T) {
	root := repositoryRoot(t)
	for _, path := range documents(t, root) {
		text := read(t, path)
		for _, link := range links(text) {
			if problem := checkLink(path, link); problem != "" {
				rel, _ := filepath.Rel(root, path)
				t.Errorf("%s: the link to %s %s", rel, link, problem)
			}
		}
	}
}

func TestCheckLinkFindsDeadOnes(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.md")
	if err := os.WriteFile(page, []byte("# One page\n\n## What is `it`?\n\nSee [a](b.md), [c](https://c.example) and `[d](e)`.\n```\n[f](g)\n```\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := links(read(t, page)), []string{"b.md", "https://c.example"}; !slices.Equal(got, want) {
		t.Errorf("links %q, want %q", got, want)
	}
	for link, dead := range map[string]bool{
		"page.md": false, "#what-is-it": false, "page.md#one-page": false, ".": false, "https://c.example/none": false,
		"none.md": true, "#none": true, "page.md#none": true, "../none/page.md": true,
	} {
		if problem := checkLink(page, link); (problem != "") != dead {
			t.Errorf("link %s: %q, want a problem: %v", link, problem, dead)
		}
	}
}

// documents lists the Markdown files of the repository.
func documents(t *testing.T, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "node_modules", "testdata", "writ-data"}, d.Name()) {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatal("no documents")
	}
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// links answers the targets of the links in a text, without its code.
func links(text string) (targets []string) {
	text = regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, "")
	text = regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "code")
	for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
		targets = append(targets, m[1])
	}
	return targets
}

// checkLink says what is wrong with a link of the document at path, "" if
// nothing. Addresses of other hosts are not looked at.
func checkLink(path, link string) string {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return ""
	}
	file, fragment, _ := strings.Cut(link, "#")
	if file == "" {
		file = filepath.Base(path)
	}
	target := filepath.Join(filepath.Dir(path), filepath.FromSlash(file))
	if _, err := os.Stat(target); err != nil {
		return "leads nowhere"
	}
	if fragment == "" {
		return ""
	}
	text, err := os.ReadFile(target)
	if err != nil {
		return "names a heading of no document"
	}
	if !slices.Contains(anchors(string(text)), fragment) {
		return "names no heading there"
	}
	return ""
}

// anchors answers the names by which a document's headings can be linked to.
func anchors(text string) (names []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ +(.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// TestGuidesCompile builds the Go blocks of the README and the guides: each is
// declarations, or a program.
func TestGuidesCompile(t *testing.T) {
	root := repositoryRoot(t)
	var files []string
	dir := t.TempDir()
	for _, guide := range guides(t, root) {
		for _, block := range goBlocks(read(t, guide)) {
			name := filepath.Join(dir, fmt.Sprintf("block%d", len(files)), "block.go")
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(program(block)), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		t.Fatal("the guides have no Go: this test looks for it in the wrong way")
	}
	for _, name := range files {
		cmd := exec.Command("go", "vet", name)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s\n%s", out, read(t, name))
		}
	}
}

// goBlocks answers the Go of a document, without a comparison of libraries that
// are all named jwt.
func goBlocks(text string) (blocks []string) {
	for _, m := range regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "// golang-jwt v5: ") {
			blocks = append(blocks, m[1])
		}
	}
	return blocks
}

// guides lists the documents whose Go must compile, some of each kind.
func guides(t *testing.T, root string) (paths []string) {
	t.Helper()
	paths = []string{filepath.Join(root, "README.md")}
	for _, kind := range []string{"guides", "migrate"} {
		found, err := filepath.Glob(filepath.Join(root, "docs", kind, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			t.Fatalf("no documents in docs/%s", kind)
		}
		paths = append(paths, found...)
	}
	return paths
}

// program makes declarations a program, with the imports that they name. A
// block that says so is written for another library named jwt, and one that is a
// program already stays as it is.
func program(declarations string) string {
	if strings.HasPrefix(declarations, "package main\n") {
		return declarations
	}
	ours := []string{Root + "/dpop", Root + "/guard", Root + "/jwk", Root + "/jwks", Root + "/jwt"}
	if strings.HasPrefix(declarations, "// golang-jwt\n") {
		ours = []string{"github.com/golang-jwt/jwt/v5"}
	}
	code := regexp.MustCompile(`(?m)(^|\s)//.*$`).ReplaceAllString(declarations, "")
	source := "package main\n\n"
	for _, path := range append([]string{"bytes", "context", "errors", "fmt", "log/slog", "net/http", "os", "time"}, ours...) {
		name := strings.TrimSuffix(path, "/v5")
		if regexp.MustCompile(`\b` + name[strings.LastIndexByte(name, '/')+1:] + `\.`).MatchString(code) {
			source += fmt.Sprintf("import %q\n", path)
		}
	}
	return source + "\n" + declarations + "\nfunc main() {}\n"
}

// TestMetricsAreDocumented compares the metrics of the server, and of its relay,
// with those that the page for operators names.
func TestMetricsAreDocumented(t *testing.T) {
	root := repositoryRoot(t)
	files, err := filepath.Glob(filepath.Join(root, "server", "internal", "metric", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?:counter|gauge|total)\("([a-z_]+)"|Name: "([a-z_]+)"`).FindAllStringSubmatch(read(t, file), -1) {
			there = append(there, "writ_"+m[1]+m[2])
		}
	}
	named := regexp.MustCompile(`\bwrit_[a-z_]+`).FindAllString(read(t, filepath.Join(root, "docs", "deploy.md")), -1)
	slices.Sort(there)
	slices.Sort(named)
	if len(there) < 10 || !slices.Equal(there, slices.Compact(named)) {
		t.Errorf("the server has the metrics %q, docs/deploy.md names %q", there, slices.Compact(named))
	}
}
