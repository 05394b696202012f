package guard

import (
	"net/http"
	"time"
)

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

// StringsAt, Active and Signer read what issuers answer.
var (
	StringsAt = stringsAt
	Active    = readActive
)

// Signer are the members of an answer about a client's keys, by name.
func Signer(text string) (members map[string]string, age time.Duration, err error) {
	m, err := readSigner(text)
	return map[string]string{"client_id": m.client, "audience": m.audience, "scope": m.scope, "epoch": m.epoch}, m.age, err
}
