package config

import (
	"fmt"
	"strings"
)

// Table is the settings as a Markdown table, followed by one of the variables
// that have no flag: the heart of docs/configuration.md.
func Table() string {
	var b strings.Builder
	b.WriteString("| flag | environment | default | meaning |\n|---|---|---|---|\n")
	for _, s := range Settings() {
		fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", s.Name, s.Env, s.defaultText(), s.Help)
	}
	b.WriteString("\n| environment alone | meaning |\n|---|---|\n")
	for _, e := range EnvOnly() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", e[0], e[1])
	}
	return b.String()
}

func (s *Setting) defaultText() string {
	if s.Note != "" {
		return s.Note
	}
	return "`" + s.Default + "`"
}
