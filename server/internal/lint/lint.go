// Package lint grades how a JSON Web Token is made: against RFC 8725 and its
// successor draft-ietf-oauth-rfc8725bis (8725bis in the references), RFC 9068,
// and OWASP's cheat sheet on JSON Web Tokens.
//
// It looks at one token and finds what its maker should do better: an algorithm
// that anyone can forge, a life without an end, a password in a payload that
// everyone can read. It trusts nothing in it and judges no signature without a
// key. A good grade means a well-made token, never a genuine one: package jwt
// verifies.
//
// Tokens are read leniently here, unlike anywhere else, so that one mistake
// doesn't hide the next. Secrets and personal data are named by their path and
// never repeated: a report ends up in the log of a CI.
package lint

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// Level says how bad a finding is.
type Level int

const (
	Info    Level = iota // worth knowing; nothing needs to be done
	Warning              // against good practice: have a reason, or change it
	Error                // dangerous, or refused by careful verifiers
)

// String is the level in lower case, as JSON has it.
func (l Level) String() string {
	switch l {
	case Info:
		return "info"
	case Warning:
		return "warn"
	}
	return "error"
}

// MarshalText writes String.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Kind is what a token is for. The rules differ: an ID token is about a person
// and for one client, an access token is for an API and should say less.
type Kind string

const (
	Access  Kind = "access"
	ID      Kind = "id"
	Refresh Kind = "refresh"
	Other   Kind = "other" // has a type of its own, such as dpop+jwt
)

// Finding is one thing that should be better.
type Finding struct {
	Rule      string   `json:"rule"` // stable; see Rules
	Level     Level    `json:"level"`
	Title     string   `json:"title"`
	Where     []string `json:"where,omitempty"` // such as "claim exp: ends 720h after iat", at most maxWhere
	Why       string   `json:"why"`             // what it leads to, and what to do
	Reference string   `json:"reference"`
}

// Report is what was found, the worst first.
type Report struct {
	Grade    string    `json:"grade"`    // A to D, or F
	Verified bool      `json:"verified"` // never true: linting is no verification
	Kind     Kind      `json:"kind"`
	Findings []Finding `json:"findings"`
}

// Count is the number of findings of a level.
func (r Report) Count(l Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// KeySource finds the key that a token should be signed with, as jwt.KeySource
// does.
type KeySource interface {
	FindKey(ctx context.Context, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error)
}

// Options say what to measure a token by.
type Options struct {
	// Now is the time to compare dates with; required.
	Now time.Time
	// Kind is what the token is for. Default: what its type and its claims say;
	// a plain JWT that doesn't look like an ID token is taken for an access
	// token.
	Kind Kind
	// MaxLifetime is the longest lifetime that is right; a longer one is an
	// error. Default: a warning over 1 h for access tokens, and an error over
	// 24 h for all.
	MaxLifetime time.Duration
	// Key, if not nil, must be the one that signed the token.
	Key KeySource
}

// maxWhere is how many places one finding names.
const maxWhere = 8

// Check grades a token. White space around it and a "Bearer" before it are no
// part of it. Check never fails: what is no token at all gets an F.
func Check(ctx context.Context, token []byte, opts Options) Report {
	t := parse(trim(token))
	l := &linter{token: t, opts: opts, kind: opts.Kind}
	if l.kind == "" {
		l.kind = kindOf(t)
	}
	l.form()
	l.header()
	if t.payload.readable() {
		l.claims()
		l.times()
		l.data()
	}
	if len(t.parts) == 3 {
		l.signature(ctx)
	}
	return l.report()
}

// trim drops what people copy around a token.
func trim(token []byte) string {
	token = bytes.TrimSpace(token)
	if scheme, rest, ok := bytes.Cut(token, []byte(" ")); ok && bytes.EqualFold(scheme, []byte("Bearer")) {
		token = bytes.TrimSpace(rest)
	}
	return string(token)
}

// linter is one run over one token.
type linter struct {
	token    *token
	opts     Options
	kind     Kind
	findings []Finding
	fatal    bool
}

// find adds a finding of a rule; where, if not empty, is a format for the place
// and what is there. The findings of one rule become one.
func (l *linter) find(id, where string, args ...any) {
	i := slices.IndexFunc(l.findings, func(f Finding) bool { return f.Rule == id })
	if i < 0 {
		r := ruleOf(id)
		i = len(l.findings)
		l.findings = append(l.findings, Finding{Rule: id, Level: r.Level, Title: r.Title, Why: r.Why, Reference: r.Reference})
		l.fatal = l.fatal || r.Fatal
	}
	if where == "" {
		return
	}
	f, place := &l.findings[i], fmt.Sprintf(where, args...)
	if len(f.Where) < maxWhere && !slices.Contains(f.Where, place) {
		f.Where = append(f.Where, place)
	}
}

func (l *linter) found(id string) bool {
	return slices.ContainsFunc(l.findings, func(f Finding) bool { return f.Rule == id })
}

func (l *linter) report() Report {
	slices.SortStableFunc(l.findings, func(a, b Finding) int { return int(b.Level - a.Level) })
	r := Report{Kind: l.kind, Findings: append([]Finding{}, l.findings...)}
	r.Grade = grade(r.Count(Error), r.Count(Warning), l.fatal)
	return r
}

// grade is F for a token that anyone could have made, or that a careful
// verifier can't even read, and for four errors; D for an error; C for three
// warnings; B for a warning; else A.
func grade(errors, warnings int, fatal bool) string {
	switch {
	case fatal || errors > 3:
		return "F"
	case errors > 0:
		return "D"
	case warnings > 2:
		return "C"
	case warnings > 0:
		return "B"
	}
	return "A"
}
