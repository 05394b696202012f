package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// show writes v as JSON with --json, else what human writes.
func (p *program) show(v any, human func(w io.Writer) error) error {
	if !p.json {
		return human(p.Stdout)
	}
	text, err := encodeJSON(v)
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.Stdout, text)
	return err
}

// encodeJSON is v in indented JSON, safe to be shown on a terminal.
func encodeJSON(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return printable(b.String()), nil
}

// table writes rows in aligned columns under the heads.
func table(w io.Writer, heads []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	writeRow(t, heads)
	for _, row := range rows {
		writeRow(t, row)
	}
	return t.Flush()
}

// properties writes one name and value a line.
func properties(w io.Writer, pairs [][2]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, pair := range pairs {
		if pair[1] != "" {
			writeRow(t, pair[:])
		}
	}
	return t.Flush()
}

func writeRow(w io.Writer, cells []string) {
	safe := make([]string, len(cells))
	for i, cell := range cells {
		safe[i] = oneLine(cell)
	}
	fmt.Fprintln(w, strings.TrimRight(strings.Join(safe, "\t"), "\t"))
}

// oneLine is text as one line that a terminal shows as it is.
func oneLine(text string) string {
	return printable(strings.Join(strings.Fields(text), " "))
}

// printable writes what a terminal might obey, or show in another order, as an
// escape: a token or a user's name may hold such characters to hide what it
// really says. A line feed stays. The escapes are those of JSON, in whose
// strings alone such characters can stand.
func printable(text string) string {
	clean := func(r rune) bool { return r == '\n' || unicode.IsPrint(r) }
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !clean(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case clean(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// when is a time for people, with how far it is from now: "2026-01-02 15:04:05
// UTC (in 5 minutes)".
func when(t, now time.Time) string {
	return t.UTC().Format("2006-01-02 15:04:05 UTC") + " (" + distance(t, now) + ")"
}

func distance(t, now time.Time) string {
	d := t.Sub(now).Round(time.Second)
	switch {
	case d == 0:
		return "now"
	case d > 0:
		return "in " + span(d)
	}
	return span(-d) + " ago"
}

// span is a duration in its largest unit, rounded down.
func span(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := d / unit.size; n > 1 {
			return fmt.Sprintf("%d %ss", n, unit.name)
		} else if n == 1 {
			return "1 " + unit.name
		}
	}
	if d == time.Second {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}

// printLine is the human form of an answer that is one line.
func printLine(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, oneLine(text)+"\n")
		return err
	}
}
