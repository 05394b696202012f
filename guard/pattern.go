package guard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// pattern is what a pattern of http.ServeMux demands of a method, a host and a
// path, read so that it tells most requests apart that no pattern can match. It
// decides nothing else: what may match is ServeMux's to say, which knows of
// precedence and redirects. So an error here could ask for a token that nobody
// needs, and never the other way about.
type pattern struct {
	method, host string // empty: any
	prefix       string // of every path that may match: enough to tell most others
	segments     []segment
}

// segment is what stands between two slashes of a pattern.
type segment struct {
	text string // "/" stands for a slash at the end and nothing after it
	kind segmentKind
}

type segmentKind int

const (
	literal segmentKind = iota
	anyOne              // {name}
	anyRest             // {name...}, and the nothing after a final slash
)

// readPattern reads [METHOD ][HOST]/[PATH], which ServeMux has taken, so it has
// that form.
func readPattern(text string) pattern {
	var p pattern
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		p.method, text = text[:i], strings.TrimLeft(text[i+1:], " \t")
	}
	host, path, _ := strings.Cut(text, "/")
	p.host = host
	for part := range strings.SplitSeq(path, "/") {
		p.segments = append(p.segments, readSegment(part))
	}
	if last := &p.segments[len(p.segments)-1]; last.kind == literal && last.text == "" {
		last.kind = anyRest
	}
	p.prefix = p.literalPrefix()
	return p
}

// hasGap reports whether there is nothing between two slashes of the path.
// ServeMux takes that for a wildcard: "/a//b" would let "/a/secret/b" pass.
func (p *pattern) hasGap() bool { return slices.Contains(p.segments, segment{kind: literal}) }

// literalPrefix returns what stands before the first wildcard.
func (p *pattern) literalPrefix() string {
	prefix := ""
	for _, s := range p.segments {
		if s.kind != literal || strings.Contains(s.text, "/") {
			return prefix + "/"
		}
		prefix += "/" + s.text
	}
	return prefix
}

func readSegment(part string) segment {
	switch {
	case part == "{$}":
		return segment{text: "/"}
	case strings.HasSuffix(part, "...}"):
		return segment{kind: anyRest}
	case strings.HasPrefix(part, "{"):
		return segment{kind: anyOne}
	}
	if text, err := url.PathUnescape(part); err == nil {
		part = text
	}
	return segment{text: part}
}

// mayMatch reports false only of a request that ServeMux would not give to this
// pattern, if its path is clean.
func (p *pattern) mayMatch(r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, p.prefix) {
		return false
	}
	if p.method != "" && p.method != r.Method && !(p.method == http.MethodGet && r.Method == http.MethodHead) {
		return false
	}
	// ServeMux compares the host without its port, and what "without" means
	// there is left to it.
	return (p.host == "" || strings.Contains(r.Host, p.host)) && p.mayMatchPath(r.URL.Path)
}

// mayMatchPath compares a path without its escapes. That is the same as to
// compare the segments of the escaped one, since a clean path has no escaped
// slash.
func (p *pattern) mayMatchPath(path string) bool {
	for _, s := range p.segments {
		if path == "" {
			return false
		}
		if s.kind == anyRest {
			return true
		}
		part, rest := firstSegment(path)
		if s.kind == literal && s.text != part || s.kind == anyOne && part == "/" {
			return false
		}
		path = rest
	}
	return path == ""
}

// firstSegment takes what stands behind the first slash of a path; a slash with
// nothing behind it is a segment too.
func firstSegment(path string) (part, rest string) {
	if path == "/" {
		return path, ""
	}
	path = path[1:]
	end := strings.IndexByte(path, '/')
	if end < 0 {
		end = len(path)
	}
	return path[:end], path[end:]
}
