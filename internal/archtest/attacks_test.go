package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAttacks holds the table of attacks against the repository: each class is
// there once, in order, and each test that a row names exists.
func TestAttacks(t *testing.T) {
	root := repositoryRoot(t)
	rows := attackRows(read(t, filepath.Join(root, "docs", "security", "attacks.md")))
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.id)
		for _, problem := range checkAttack(root, row) {
			t.Errorf("%s: %s", row.id, problem)
		}
	}
	if want := attackIDs(); !slices.Equal(ids, want) {
		t.Errorf("the rows are\n%v, want\n%v", ids, want)
	}
}

func TestCheckAttackFindsMistakes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x_test.go"), []byte("package x\n\nfunc TestX() {}\n\n// func TestOld() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for row, good := range map[string]bool{
		"| A1 | a | b | `x_test.go: TestX` |":                                          true,
		"| A1 | a | b | Not applicable: no such thing |":                               true,
		"| A1 | a | b | Not there yet: pages |":                                        true,
		"| A1 | a | b | `x_test.go: TestX`. Not there yet: pages |":                    true,
		"| A1 | a | b | `x_test.go: TestX, TestY` |":                                   false,
		"| A1 | a | b | `x_test.go: TestOld` |":                                        false,
		"| A1 | a | b | `y_test.go: TestX` |":                                          false,
		"| A1 | a | b | `x_test.go` |":                                                 false,
		"| A1 | a | b | `x_test.go: testX` |":                                          false,
		"| A1 | a | b | see elsewhere |":                                               false,
		"| A1 | a | b |  |":                                                            false,
		"| A1 | a |  | `x_test.go: TestX` |":                                           false,
		"| A1 | a | b | c | `x_test.go: TestX` |":                                      false,
		"| A1 | a | b | `x_test.go: TestX` and a test, `z_test.go: TestZ`, too many |": false,
	} {
		rows := attackRows("# Attacks\n\n| # | x |\n|---|---|\n" + row + "\n")
		if len(rows) != 1 || rows[0].id != "A1" {
			t.Fatalf("%s: read as %v", row, rows)
		}
		if problems := checkAttack(dir, rows[0]); (len(problems) == 0) != good {
			t.Errorf("%s: %q, want it good: %v", row, problems, good)
		}
	}
}

// attackIDs names the classes: a letter for each chapter, numbered.
func attackIDs() (ids []string) {
	for i, n := range []int{13, 9, 15, 13, 8, 11, 38} {
		for number := range n {
			ids = append(ids, fmt.Sprintf("%c%d", 'A'+i, number+1))
		}
	}
	return ids
}

// attack is a row of the table.
type attack struct {
	id    string
	cells []string
}

func attackRows(text string) (rows []attack) {
	for _, m := range regexp.MustCompile(`(?m)^\| *([A-G][0-9]+) *\|(.*)\|$`).FindAllStringSubmatch(text, -1) {
		row := attack{id: m[1]}
		for cell := range strings.SplitSeq(m[2], "|") {
			row.cells = append(row.cells, strings.TrimSpace(cell))
		}
		rows = append(rows, row)
	}
	return rows
}

// checkAttack wants three cells, of which the last names tests that exist,
// `path: TestOne, TestTwo`, or says why there is none.
func checkAttack(root string, row attack) (problems []string) {
	if len(row.cells) != 3 || slices.Contains(row.cells, "") {
		return []string{"not an attack, what Writ does, and a test"}
	}
	shown := row.cells[2]
	named := regexp.MustCompile("`([^`]*_test\\.go)(?:: *([^`]*))?`").FindAllStringSubmatch(shown, -1)
	if len(named) == 0 && !strings.HasPrefix(shown, "Not applicable: ") && !strings.HasPrefix(shown, "Not there yet: ") {
		return []string{"neither a test nor a reason why there is none"}
	}
	for _, m := range named {
		functions, err := functionsOf(filepath.Join(root, filepath.FromSlash(m[1])))
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		for name := range strings.SplitSeq(m[2], ",") {
			name = strings.TrimSpace(name)
			if !regexp.MustCompile(`^(Test|Fuzz)[A-Z]`).MatchString(name) || !slices.Contains(functions, name) {
				problems = append(problems, fmt.Sprintf("%s has no test %q", m[1], name))
			}
		}
	}
	return problems
}

// functionsOf names the functions of a Go file.
func functionsOf(path string) (names []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
			names = append(names, f.Name.Name)
		}
	}
	return names, nil
}

// TestMACsAreComparedInConstantTime: how long a comparison takes must not tell
// a forger how much of a MAC is right, so that what makes MACs compares them
// with hmac.Equal and nothing else.
func TestMACsAreComparedInConstantTime(t *testing.T) {
	root := repositoryRoot(t)
	compare := 0
	for _, path := range []string{"jwk/secret.go", "server/internal/session/token.go", "server/internal/lint/signature.go"} {
		text := read(t, filepath.Join(root, filepath.FromSlash(path)))
		if strings.Contains(text, "hmac.Equal(") {
			compare++
		}
		for _, quick := range []string{"bytes.Equal(", "bytes.Compare(", "slices.Equal(", "reflect.DeepEqual("} {
			if strings.Contains(text, quick) {
				t.Errorf("%s makes MACs and has %s", path, quick)
			}
		}
	}
	if compare != 3 {
		t.Errorf("hmac.Equal in %d of 3 files", compare)
	}
}
