package guard

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// publicPaths matches the requests that need no token.
type publicPaths struct {
	mux      *http.ServeMux
	patterns []pattern // those of mux
}

// pass marks the patterns. Its methods are never called.
type pass struct{}

func (pass) ServeHTTP(http.ResponseWriter, *http.Request) {}

func newPublicPaths(patterns []string) (p *publicPaths, err error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	defer func() {
		if problem := recover(); problem != nil { // how ServeMux says that a pattern is wrong
			p, err = nil, fmt.Errorf("guard: Config.Public: %v", problem)
		}
	}()
	p = &publicPaths{mux: http.NewServeMux()}
	for _, text := range patterns {
		p.mux.Handle(text, pass{})
		read := readPattern(text)
		if read.hasGap() {
			return nil, fmt.Errorf("guard: Config.Public: pattern %q has an empty segment", text)
		}
		p.patterns = append(p.patterns, read)
	}
	return p, nil
}

// match reports whether a request needs no token.
func (p *publicPaths) match(r *http.Request) bool {
	return p != nil && p.possible(r) && clean(r) && p.decide(r)
}

// possible tells nearly all requests that need a token from the rest: to ask
// ServeMux costs many times what all other checks of a known token do.
func (p *publicPaths) possible(r *http.Request) bool {
	for n := range p.patterns {
		if p.patterns[n].mayMatch(r) {
			return true
		}
	}
	return false
}

// decide asks ServeMux. It also finds handlers of its own, which redirect
// "/assets" to "/assets/": those are no pattern of ours, and the router behind
// the guard may have something else there.
func (p *publicPaths) decide(r *http.Request) bool {
	h, _ := p.mux.Handler(r)
	return h == pass{}
}

// clean reports whether there is one way to read a request's path. A router
// behind the guard may take "/public/../admin", "/public/%2e%2e/admin" or
// "/public/..\admin" for "/admin", and "//admin" for a host.
func clean(r *http.Request) bool {
	p := r.URL.Path
	if p == "" || p[0] != '/' || strings.ContainsAny(p, "\\\x00\r\n") {
		return false
	}
	if c := path.Clean(p); c != p && c+"/" != p {
		return false
	}
	escaped := strings.ToLower(r.URL.EscapedPath())
	for _, code := range []string{"%2f", "%5c", "%2e", "%25", "%00"} {
		if strings.Contains(escaped, code) {
			return false
		}
	}
	return true
}
