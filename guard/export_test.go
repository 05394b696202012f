package guard

import "net/http"

// For tests in package guard_test.
var (
	Bearer      = bearer
	CookieValue = cookie
)

// PublicTwice returns a function that decides twice whether a request needs no
// token: as a guard does, and by ServeMux alone.
func PublicTwice(patterns []string) (func(*http.Request) (byGuard, byServeMux bool), error) {
	p, err := newPublicPaths(patterns)
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) (bool, bool) { return p.match(r), clean(r) && p.decide(r) }, nil
}
