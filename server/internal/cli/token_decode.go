package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwt"
)

// tokenDecodeCmd shows a token. It never says that one is valid: it can't know.
type tokenDecodeCmd struct {
	Token string `arg:"" optional:"" help:"The token; - or nothing reads standard input, which no process list shows."`
}

// notVerified stands above everything that decode shows.
const notVerified = "Not verified: anyone can write such a token. writ token verify checks one."

// decoded is the answer of token decode with --json.
type decoded struct {
	Verified bool              `json:"verified"` // never true
	Header   json.RawMessage   `json:"header"`
	Claims   json.RawMessage   `json:"claims"`
	Times    map[string]string `json:"times,omitempty"` // the dates among the claims, RFC 3339
}

func (c tokenDecodeCmd) Run(p *program) error {
	token, err := p.readToken(c.Token)
	if err != nil {
		return err
	}
	u, err := jwt.DecodeUnverified(token)
	if err != nil {
		return fmt.Errorf("%w; nothing in it can be trusted, nor shown", err)
	}
	payload, err := readMembers(u.Payload())
	if err != nil {
		return err
	}
	out := decoded{Header: u.Header(), Claims: u.Payload(), Times: map[string]string{}}
	for _, m := range payload {
		if t, ok := m.date(); ok {
			out.Times[m.name] = t.UTC().Format(time.RFC3339)
		}
	}
	return p.show(out, func(w io.Writer) error {
		header, err := readMembers(u.Header())
		if err != nil {
			return err
		}
		fmt.Fprintln(w, notVerified)
		return showToken(w, header, payload, p.Now())
	})
}

// showToken writes header and claims, a member a line, with dates for people.
func showToken(w io.Writer, header, payload []member, now time.Time) error {
	for _, part := range []struct {
		title   string
		members []member
	}{{"Header", header}, {"Claims", payload}} {
		fmt.Fprintf(w, "\n%s\n", part.title)
		var lines [][2]string
		for _, m := range part.members {
			lines = append(lines, [2]string{"  " + m.name, m.text(now)})
		}
		if err := columns(w, lines); err != nil {
			return err
		}
	}
	return nil
}

// columns is properties for names whose indentation counts.
func columns(w io.Writer, lines [][2]string) error {
	width := 0
	for _, l := range lines {
		width = max(width, len([]rune(printable(l[0]))))
	}
	for _, l := range lines {
		name := printable(strings.ReplaceAll(l[0], "\n", `\n`))
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, name, printable(strings.ReplaceAll(l[1], "\n", `\n`))); err != nil {
			return err
		}
	}
	return nil
}

// member is one member of a JSON object, in the order of the text.
type member struct{ name, value string }

// readMembers reads the members of a strict JSON object.
func readMembers(text json.RawMessage) ([]member, error) {
	r := strictjson.NewReader(string(text))
	var out []member
	err := r.Members(func(name string) error {
		value, err := r.RawValue()
		out = append(out, member{name, value})
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, r.End()
}

// text is the value for people: a date with its distance from now, a string
// without quotation marks, a list of strings with commas, and JSON for the rest.
func (m member) text(now time.Time) string {
	if t, ok := m.date(); ok {
		return m.value + "  " + when(t, now)
	}
	var s string
	if json.Unmarshal([]byte(m.value), &s) == nil && m.value != "null" {
		return s
	}
	var list []string
	if json.Unmarshal([]byte(m.value), &list) == nil && len(list) > 0 {
		return strings.Join(list, ", ")
	}
	return m.value
}

// date is the value of a claim that the standards define as a NumericDate.
func (m member) date() (time.Time, bool) {
	switch m.name {
	case "exp", "nbf", "iat", "auth_time", "updated_at":
	default:
		return time.Time{}, false
	}
	var d jwt.NumericDate
	if json.Unmarshal([]byte(m.value), &d) != nil || d.IsZero() {
		return time.Time{}, false
	}
	return d.Time(), true
}
