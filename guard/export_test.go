package guard

import "net/http"

// For tests in package guard_test.
var CookieValue = cookie

// Bearer reads an Authorization header as a guard does that doesn't know the
// token.
func Bearer(lines []string) (string, error) {
	token, err := bearer(lines)
	if err == nil {
		err = credential{token: token, unread: true}.check()
	}
	if err != nil {
		return "", err
	}
	return token, nil
}

// PublicTwice returns a function that decides twice whether a request needs no
// token: as a guard does, and by ServeMux alone.
func PublicTwice(patterns []string) (func(*http.Request) (byGuard, byServeMux bool), error) {
	p, err := newPublicPaths(patterns)
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) (bool, bool) { return p.match(r), clean(r) && p.decide(r) }, nil
}
