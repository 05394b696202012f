package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/lint"
)

// tokenLintCmd grades how a token is made. Like decode it never says that one
// may be trusted: it can't know.
type tokenLintCmd struct {
	keyFlags
	File        string        `arg:"" optional:"" help:"A file with the token, or the token itself; - or nothing reads standard input."`
	FailOn      string        `enum:"warn,error" default:"error" help:"Exit with 1 for findings of this level (${enum}) or above."`
	MaxLifetime time.Duration `placeholder:"15m" help:"A longer lifetime is an error. Default: a warning over 1h for access tokens, an error over 24h."`
	Kind        string        `enum:"auto,access,id,refresh,other" default:"auto" help:"What the token is for: ${enum}."`
}

func (c tokenLintCmd) Run(ctx context.Context, p *program) error {
	if c.MaxLifetime < 0 {
		return usagef("--max-lifetime must be more than 0")
	}
	opts := lint.Options{Now: p.Now(), MaxLifetime: c.MaxLifetime}
	if c.Kind != "auto" {
		opts.Kind = lint.Kind(c.Kind)
	}
	if c.given() {
		m, err := c.load(p)
		if err != nil {
			return err
		}
		opts.Key = m.source()
	}
	token, err := c.token(p)
	if err != nil {
		return err
	}
	report := lint.Check(ctx, []byte(token), opts)
	if err := p.show(report, func(w io.Writer) error { return writeReport(w, report) }); err != nil {
		return err
	}
	return c.verdict(report)
}

// token reads the file; what isn't one, and looks like a token, is taken for it.
func (c tokenLintCmd) token(p *program) (string, error) {
	if c.File == "" || c.File == "-" {
		return p.readToken("-")
	}
	data, err := p.readInput(c.File)
	if err == nil {
		return p.readToken(string(data))
	}
	var failed *os.PathError
	if errors.As(err, &failed) && !errors.Is(err, fs.ErrPermission) && strings.Contains(c.File, ".") && !strings.ContainsAny(c.File, `/\`) {
		return p.readToken(c.File)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no file %s; give a file with a token, or - to read standard input", c.File)
	}
	return "", err
}

// verdict is the failure of a token with findings that matter.
func (c tokenLintCmd) verdict(r lint.Report) error {
	errs, warnings := r.Count(lint.Error), r.Count(lint.Warning)
	if errs == 0 && (c.FailOn == "error" || warnings == 0) {
		return nil
	}
	return fmt.Errorf("grade %s: %s; each finding above says what to do", r.Grade, tally(errs, warnings))
}

func tally(errs, warnings int) string {
	return plural(errs, "error") + ", " + plural(warnings, "warning")
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// notVerifiedGrade stands below the grade, which people might take for more.
const notVerifiedGrade = "Not verified: this is about how the token is made, not about who made it."

func writeReport(w io.Writer, r lint.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Grade %s: %s. Looked at as: %s token.\n%s\n", r.Grade, tally(r.Count(lint.Error), r.Count(lint.Warning)), r.Kind, notVerifiedGrade)
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%-5s  %s  (%s)\n", f.Level, f.Title, f.Rule)
		for _, place := range f.Where {
			fmt.Fprintf(&b, "       - %s\n", oneLine(place))
		}
		for _, line := range wrap(f.Why, 92) {
			fmt.Fprintf(&b, "       %s\n", line)
		}
		fmt.Fprintf(&b, "       [%s]\n", f.Reference)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks text into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
