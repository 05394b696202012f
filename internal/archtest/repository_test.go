package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowedVariables names the package variables that may stay, each with the
// reason why no constructor can bring it.
func allowedVariables() []string {
	return []string{}
}

// TestRepository holds every package of every module against the rules.
func TestRepository(t *testing.T) {
	root := repositoryRoot(t)
	modules := list[Module](t, root, "list", "-m", "-json")
	var packages []Package
	for _, m := range modules {
		packages = append(packages, list[Package](t, m.Dir, "list", "-e", "-json", "./...")...)
	}
	if len(packages) < len(modules) {
		t.Fatalf("go list found %d packages in %d modules", len(packages), len(modules))
	}
	for _, p := range packages {
		if p.Error != nil {
			t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
			continue
		}
		for _, rule := range []func(Package) []string{CheckDoc, CheckName, CheckLibrary, CheckExtension, CheckServer} {
			report(t, rule(p))
		}
		report(t, sources(t, root, p))
	}
	report(t, CheckTestTools(packages))
}

// TestModules wants go.work to use every module, so that no target forgets
// one, and the root module to require nothing.
func TestModules(t *testing.T) {
	root := repositoryRoot(t)
	var used []string
	for _, m := range list[Module](t, root, "list", "-m", "-json") {
		used = append(used, m.Dir)
	}
	for _, dir := range moduleDirs(t, root) {
		if !slices.Contains(used, dir) {
			t.Errorf("go.work does not use the module in %s", dir)
		}
	}
	type modfile struct{ Require, Replace []json.RawMessage }
	for _, mod := range list[modfile](t, root, "mod", "edit", "-json", filepath.Join(root, "go.mod")) {
		if len(mod.Require)+len(mod.Replace) > 0 {
			t.Errorf("the root go.mod requires %s and replaces %s; it must do neither", mod.Require, mod.Replace)
		}
	}
}

func report(t *testing.T, violations []string) {
	t.Helper()
	for _, v := range violations {
		t.Error(v)
	}
}

// repositoryRoot answers the folder of go.work.
func repositoryRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOWORK").Output()
	work := strings.TrimSpace(string(out))
	if err != nil || work == "" || work == "off" {
		t.Fatalf("go env GOWORK: %q, %v; this test needs the workspace", work, err)
	}
	return filepath.Dir(work)
}

// list runs the go command in dir and reads the JSON values that it prints.
func list[T any](t *testing.T, dir string, args ...string) []T {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var values []T
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var v T
		if err := d.Decode(&v); err == io.EOF {
			return values
		} else if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
}

// moduleDirs walks the repository for go.mod files. Opening every folder and
// asking for every file's size and time also tells go test's cache to run this
// package again when one is added or changed: what go list reads it can't see.
func moduleDirs(t *testing.T, root string) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "node_modules", "testdata", "writ-data"}, d.Name()) {
			return fs.SkipDir
		}
		if d.Name() == "go.mod" {
			dirs = append(dirs, filepath.Dir(path))
		}
		if filepath.Ext(path) == ".go" || d.Name() == "go.mod" || d.Name() == "go.work" {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// sources checks the files of a package, also those that another operating
// system builds.
func sources(t *testing.T, root string, p Package) []string {
	t.Helper()
	var bad []string
	for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		path := filepath.Join(p.Dir, name)
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if rel, err := filepath.Rel(root, path); err == nil {
			path = rel
		}
		bad = append(bad, CheckSource(path, src, allowedVariables())...)
	}
	return bad
}
