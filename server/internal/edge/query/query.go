// Package query reads the parameters of a request's query strictly: each at
// most once, and none that nobody asked for, so that a misspelt cursor is an
// error and not the first page for ever.
package query

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// maxValue is how many bytes a parameter may have.
const maxValue = 512

// Values are the parameters of one request, each with the one value it had.
type Values map[string]string

// Read reads the query of r, which may have the parameters in names and no
// others.
func Read(r *http.Request, names ...string) (Values, error) {
	v, err := ReadLoosely(r, names...)
	if err != nil {
		return nil, err
	}
	for name := range r.URL.Query() {
		if !slices.Contains(names, name) {
			return nil, auth.Errorf(auth.CodeInvalid, "The query has a parameter that is unknown here; known are %v.", names)
		}
	}
	return v, nil
}

// ReadLoosely is Read but passes over unknown parameters: for what older and
// newer programs ask each other.
func ReadLoosely(r *http.Request, names ...string) (Values, error) {
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, auth.Errorf(auth.CodeInvalid, "The query is malformed.")
	}
	v := Values{}
	for _, name := range names {
		values := all[name]
		if len(values) > 1 {
			return nil, auth.Invalid(name, "%s is there twice", name)
		}
		if len(values) == 1 {
			if len(values[0]) > maxValue {
				return nil, auth.Invalid(name, "%s has more than %d bytes", name, maxValue)
			}
			v[name] = values[0]
		}
	}
	return v, nil
}

// Page reads the parameters of a list (cursor, limit and q) and those in more.
func Page(r *http.Request, more ...string) (auth.Page, Values, error) {
	v, err := Read(r, append([]string{"cursor", "limit", "q"}, more...)...)
	if err != nil {
		return auth.Page{}, nil, err
	}
	limit, err := v.Uint("limit", 50)
	if err != nil || limit < 1 || limit > 200 {
		return auth.Page{}, nil, auth.Invalid("limit", "limit must be 1 to 200")
	}
	return auth.Page{Cursor: v["cursor"], Limit: int(limit), Query: v["q"]}, v, nil
}

// Uint reads a whole number, usual where there is none.
func (v Values) Uint(name string, usual uint64) (uint64, error) {
	text, ok := v[name]
	if !ok {
		return usual, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, auth.Invalid(name, "%s must be a whole number, not negative", name)
	}
	return n, nil
}

// MaxWait is the longest that a request may want to wait until every verifier
// knows what it revokes.
const MaxWait = 30 * time.Second

// Wait reads the parameter wait of a request that revokes something, 0 where
// there is none; the query may have others. Read it before anything is revoked:
// what is malformed must not be half done.
func Wait(r *http.Request) (time.Duration, error) {
	v, err := ReadLoosely(r, "wait")
	if err != nil {
		return 0, err
	}
	d, err := v.Duration("wait")
	if err == nil && d > MaxWait {
		return 0, auth.Invalid("wait", "wait must be at most %v", MaxWait)
	}
	return d, err
}

// Duration reads a duration such as 25s, 0 where there is none.
func (v Values) Duration(name string) (time.Duration, error) {
	text, ok := v[name]
	if !ok {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, auth.Invalid(name, "%s must be a duration such as 25s", name)
	}
	return d, nil
}
