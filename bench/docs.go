package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What lies between these lines of performance.md is written by this program.
const (
	beginMarker = "<!-- bench: begin -->\n"
	endMarker   = "<!-- bench: end -->\n"
)

// writeDocs replaces the tables of performance.md, and its picture.
func (r *Report) writeDocs(dir string) error {
	name := filepath.Join(dir, "performance.md")
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(page), beginMarker)
	_, after, ends := strings.Cut(rest, endMarker)
	if !begins || !ends {
		return fmt.Errorf("%s: no place for the tables: %q and %q are missing", name, beginMarker, endMarker)
	}
	picture, err := r.chart()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "images", "performance.svg"), []byte(picture), 0o644); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(before+beginMarker+r.markdown()+endMarker+after), 0o644)
}

func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s\n\n", r.circumstances())
	for _, t := range r.tables() {
		t.writeMarkdown(&b)
	}
	b.WriteString("<details><summary>The same by medians</summary>\n\n")
	for _, t := range r.medianTables() {
		t.writeMarkdown(&b)
	}
	b.WriteString("</details>\n")
	return b.String()
}

// circumstances says on what was measured, in one sentence.
func (r *Report) circumstances() string {
	return fmt.Sprintf("%d processors of type %s (%s) with %s, in %d rounds, with tokens of %s.",
		r.Machine.Count, r.Machine.Processor, r.Machine.Platform, r.Machine.Go, r.Rounds, r.sizes())
}
