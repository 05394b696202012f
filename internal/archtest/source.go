package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
)

// MaxLines is how long a file that is no test may be. Past that a package has
// a second subject.
const MaxLines = 500

// CheckSource wants a file that is no test to be short, to have no init
// function and no variable at package level that could change: what a package
// needs comes through its constructors. Generated files may be long. name is
// where the file lies, as a violation shows it; allowed names variables that
// may stay, each as "package.name".
func CheckSource(name string, src []byte, allowed []string) []string {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	var bad []string
	if lines := bytes.Count(src, []byte("\n")); lines > MaxLines && !ast.IsGenerated(file) {
		bad = append(bad, fmt.Sprintf("%s: %d lines, at most %d", name, lines, MaxLines))
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil && decl.Name.Name == "init" {
				bad = append(bad, fmt.Sprintf("%s: func init", fset.Position(decl.Pos())))
			}
		case *ast.GenDecl:
			for _, v := range variables(decl) {
				if !slices.Contains(allowed, file.Name.Name+"."+v.Name) {
					bad = append(bad, fmt.Sprintf("%s: package variable %s", fset.Position(v.Pos()), v.Name))
				}
			}
		}
	}
	return bad
}

// variables answers the variables that decl declares, but for those that
// nobody has a reason to change: errors to compare with, compiled regular
// expressions, embedded files, and assertions on the blank name.
func variables(decl *ast.GenDecl) []*ast.Ident {
	if decl.Tok != token.VAR {
		return nil
	}
	var names []*ast.Ident
	for _, spec := range decl.Specs {
		spec := spec.(*ast.ValueSpec)
		if embeds(decl.Doc) || embeds(spec.Doc) {
			continue
		}
		for i, name := range spec.Names {
			if name.Name != "_" && !(i < len(spec.Values) && constant(spec.Values[i])) {
				names = append(names, name)
			}
		}
	}
	return names
}

// embeds reports whether doc holds a go:embed directive.
func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return bytes.HasPrefix([]byte(c.Text), []byte("//go:embed "))
	})
}

// constant reports whether a value is made by a call whose result has no
// exported way to change.
func constant(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := fun.X.(*ast.Ident)
	return ok && slices.Contains([]string{"errors.New", "fmt.Errorf", "regexp.MustCompile"}, pkg.Name+"."+fun.Sel.Name)
}
