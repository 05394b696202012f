package archtest

import (
	"strings"
	"testing"
)

// pkg makes a package of the module that its path lies in.
func pkg(path string, imports ...string) Package {
	p := Package{ImportPath: path, Imports: imports}
	p.Module.Path = Root
	if within(path, Root+"/server") {
		p.Module.Path = Root + "/server"
	}
	return p
}

// check compares violations with what each must contain, in order.
func check(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d violations, want %d:\n%s", what, len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i := range got {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("%s: violation %q, want one with %q", what, got[i], want[i])
		}
	}
}

func TestCheckLibrary(t *testing.T) {
	tests := []struct {
		path, imports string
		want          []string
	}{
		{"jwt", "crypto/sha256", nil},
		{"jwt", Root + "/jwk", nil},
		{"jwt", Root + "/internal/base64url", nil},
		{"guard", Root + "/jwks", nil},
		{"guard/follow", Root + "/guard", nil},
		{"guardtest", Root + "/guard", nil},
		{"examples/go-api", Root + "/guard", nil},
		{"jwt", "golang.org/x/crypto/argon2", []string{"only the standard library"}},
		{"jwk", Root + "/jwt", []string{"jwk may import internal, jwk"}},
		{"jwks", Root + "/jwt", []string{"jwks may import"}},
		{"jwt", Root + "/jwks", []string{"jwt may import"}},
		{"jwt", Root + "/server/internal/auth", []string{"jwt may import"}},
		{"internal/revlog", Root + "/jwk", []string{"internal may import internal"}},
	}
	for _, tt := range tests {
		p := pkg(Root+"/"+tt.path, tt.imports)
		check(t, tt.path+" → "+tt.imports, CheckLibrary(p), tt.want...)
	}
}

func TestCheckLibraryTests(t *testing.T) {
	p := pkg(Root + "/jwk")
	p.XTestImports = []string{Root + "/jwt", "github.com/google/go-cmp/cmp"}
	check(t, "the tests of jwk", CheckLibrary(p), "go-cmp")
}

func TestCheckExtension(t *testing.T) {
	for _, name := range []string{"es256k", "fast", "mldsa"} {
		p := pkg(Root+"/"+name, Root+"/jwk", "filippo.io/mldsa", Root+"/"+name+"/inner", Root+"/jwt")
		p.Module.Path = p.ImportPath
		p.XTestImports = []string{Root + "/guard"}
		check(t, name, CheckExtension(p), "/jwt: an extension imports jwk alone")
	}
	check(t, "another module", CheckExtension(pkg(Root+"/jwks", Root+"/jwt")))
}

func TestCheckServer(t *testing.T) {
	const in = Root + "/server/internal/"
	tests := []struct {
		path, imports string
		want          []string
	}{
		{"server/cmd/writ", in + "cli", nil},
		{"server/internal/cli", in + "app", nil},
		{"server/internal/cli", in + "config", nil},
		{"server/internal/app", in + "store", nil},
		{"server/internal/app", in + "oauth/token", nil},
		{"server/internal/api", in + "session", nil},
		{"server/internal/api", in + "edge", nil},
		{"server/internal/api", in + "api/openapi", nil},
		{"server/internal/session", in + "keyring", nil},
		{"server/internal/session", Root + "/jwt", nil},
		{"server/internal/store", "modernc.org/sqlite", nil},
		{"server/internal/store/storetest", in + "store", nil},
		{"server/internal/auth", Root + "/jwk", nil},

		{"server/cmd/writ", in + "app", []string{`"main" may not enter room "app"`}},
		{"server/internal/cli", in + "store", []string{`"cli" may not enter room "store"`}},
		{"server/internal/api", in + "admin", []string{`"door" may not enter room "door"`}},
		{"server/internal/oauth/token", in + "oauth/device", []string{`"door" may not enter room "door"`}},
		{"server/internal/api", in + "store", []string{`"door" may not enter room "store"`}},
		{"server/internal/api", in + "config", []string{`"door" may not enter room "config"`}},
		{"server/internal/session", in + "api", []string{`"service" may not enter room "door"`}},
		{"server/internal/session", in + "store", []string{`"service" may not enter room "store"`}},
		{"server/internal/session", in + "edge", []string{`"service" may not enter room "edge"`}},
		{"server/internal/session", in + "config", []string{`"service" may not enter room "config"`}},
		{"server/internal/store", in + "session", []string{`"store" may not enter room "service"`}},
		{"server/internal/auth", in + "mint", []string{`"domain" may not enter room "service"`}},
		{"server/internal/auth", "golang.org/x/sync/errgroup", []string{"no technology"}},
		{"server/internal/session", "database/sql", []string{"in store alone"}},
		{"server/internal/app", "github.com/jackc/pgx/v5", []string{"in store alone"}},
	}
	for _, tt := range tests {
		p := pkg(Root+"/"+tt.path, tt.imports)
		check(t, tt.path+" → "+tt.imports, CheckServer(p), tt.want...)
	}
}

func TestCheckTestTools(t *testing.T) {
	tool := pkg(Root+"/guardtest", "testing")
	check(t, "a tool for tests", CheckTestTools([]Package{
		tool,
		pkg(Root+"/internal/keytest", "testing", tool.ImportPath),
		pkg(Root+"/examples/go-api", tool.ImportPath),
	}), "examples/go-api imports")
}

func TestCheckDocAndName(t *testing.T) {
	p := Package{ImportPath: "x/utils", Name: "utils"}
	check(t, "no comment", CheckDoc(p), "no package comment")
	p.Doc = "Utils does it."
	check(t, "another form", CheckDoc(p), `begin with "Package utils"`)
	p.Doc = "Package utils does it."
	check(t, "good comment", CheckDoc(p))
	check(t, "name", CheckName(p), `"utils" says nothing`)
	check(t, "program", CheckDoc(Package{Name: "main", Doc: "Writ is the server."}))
}

func TestCheckSource(t *testing.T) {
	long := strings.Repeat("\n", MaxLines)
	tests := []struct {
		name, src string
		want      []string
	}{
		{"what may stay", `package p
import ("embed"; "errors"; "fmt"; "io"; "regexp")
const limit = 7
var ErrA, ErrB = errors.New("a"), fmt.Errorf("b: %w", io.EOF)
var name = regexp.MustCompile("^[a-z]+$")
var _ io.Reader = (*T)(nil)
//go:embed *.sql
var files embed.FS
var (
	//go:embed list.txt
	list string
)
type T struct{}
func (T) init() {}
func f() { var local int; _ = local }
`, nil},
		{"mutable", "package p\nvar n = 1\n", []string{"a.go:2:5: package variable n"}},
		{"without value", "package p\nvar hook func()\n", []string{"package variable hook"}},
		{"in a group", "package p\nvar (\n\ta = errors.New(\"a\")\n\tm = map[string]int{}\n)\n", []string{"package variable m"}},
		{"one of two", "package p\nvar a, b = errors.New(\"a\"), 2\n", []string{"package variable b"}},
		{"allowed by name", "package p\nvar table = [2]int{1, 2}\n", nil},
		{"init", "package p\nfunc init() {}\n", []string{"a.go:2:1: func init"}},
		{"long", "package p\n" + long, []string{"501 lines, at most 500"}},
		{"as long as may be", "package p" + long, nil},
		{"long and generated", "// Code generated by a program. DO NOT EDIT.\n\npackage p\n" + long, nil},
		{"no Go", "pakage p", []string{"expected 'package'"}},
	}
	for _, tt := range tests {
		check(t, tt.name, CheckSource("a.go", []byte(tt.src), []string{"p.table"}), tt.want...)
	}
}
