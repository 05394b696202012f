// Package archtest keeps the map of the repository true: which package may
// import which, what every package and file must look like.
//
// The rules are functions over what the go command and the parser say, so
// that each can be tried on a package that breaks it. They answer violations,
// one line each, that say what to do instead.
package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// Root is the path of the root module: of the library.
const Root = "github.com/writ-auth/writ"

// Package is what go list tells of a package.
type Package struct {
	ImportPath string
	Name       string
	Dir        string
	Doc        string // the first sentence of the package comment
	Module     struct{ Path string }
	Error      *struct{ Err string }

	GoFiles, IgnoredGoFiles            []string
	Imports, TestImports, XTestImports []string
}

// Module is what go list tells of a module.
type Module struct{ Path, Dir string }

// isStd reports whether path is of the standard library, whose paths have no
// dot in their first element.
func isStd(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// within reports whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// allImports answers what the package or its tests import.
func (p Package) allImports() []string {
	return slices.Concat(p.Imports, p.TestImports, p.XTestImports)
}

// CheckDoc wants a package comment, in the form that go doc shows well.
func CheckDoc(p Package) []string {
	switch {
	case p.Doc == "":
		return []string{p.ImportPath + ": no package comment (a package of tests alone needs a doc.go)"}
	case p.Name != "main" && !strings.HasPrefix(p.Doc, "Package "+p.Name+" "):
		return []string{fmt.Sprintf("%s: the package comment must begin with %q", p.ImportPath, "Package "+p.Name)}
	}
	return nil
}

// CheckName refuses packages named for no task. What belongs nowhere belongs
// to who uses it.
func CheckName(p Package) []string {
	if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "pkg", "shared"}, p.Name) {
		return []string{fmt.Sprintf("%s: %q says nothing; name it after its task", p.ImportPath, p.Name)}
	}
	return nil
}

// CheckTestTools refuses that a program or library links what only tests
// need: a package that imports testing may be imported by tests, and by other
// such packages.
func CheckTestTools(packages []Package) []string {
	tools := make(map[string]bool)
	for _, p := range packages {
		tools[p.ImportPath] = slices.Contains(p.Imports, "testing")
	}
	var bad []string
	for _, p := range packages {
		for _, path := range p.Imports {
			if tools[path] && !tools[p.ImportPath] {
				bad = append(bad, fmt.Sprintf("%s imports %s, which is for tests", p.ImportPath, path))
			}
		}
	}
	return bad
}
