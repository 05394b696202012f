package guard

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rule is something that a route demands of a verified token. The zero Rule
// refuses everybody.
type Rule struct {
	check  func(q question) error // nil error: it holds
	policy *StalePolicy           // of WhenStale, which has no check
	seq    *uint64                // of MinSeq, likewise
	wants  wants                  // what a challenge asks for
}

// question is what a rule decides about.
type question struct {
	ctx    context.Context
	access *Access
	now    time.Time
}

// wants is what a client may do about a refusal: ask for scopes (RFC 6750
// section 3), or have the person sign in again (RFC 9470).
type wants struct {
	scope  string
	acr    []string
	maxAge *time.Duration
}

// holds makes a rule of a condition. Refusing is a 403: the token is good, its
// bearer isn't entitled. The log hears what the route demands, which is no secret
// and nothing of the token's.
func holds(kind, name string, condition func(a *Access) bool) Rule {
	return Rule{check: func(q question) error {
		if condition(q.access) {
			return nil
		}
		return fmt.Errorf("%w: %s %q", ErrForbidden, kind, name)
	}}
}

// Role demands that the token has a role.
func Role(name string) Rule {
	return holds("role", name, func(a *Access) bool { return a.HasRole(name) })
}

// Permission demands that the token has a permission.
func Permission(name string) Rule {
	return holds("permission", name, func(a *Access) bool { return a.HasPermission(name) })
}

// Scope demands that the token has a scope. The refusal names the scopes that
// the route demands, so that a client can ask for them.
func Scope(name string) Rule {
	rule := holds("scope", name, func(a *Access) bool { return a.HasScope(name) })
	rule.wants.scope = name
	return rule
}

// User demands a token of a person: one that has a subject which isn't its
// client (RFC 9068 section 2.2). The client is the claim client_id: an issuer
// without it, as many that aren't Writ, can't tell its services from people by
// this rule, and all of them pass. Take a role there, or a [Func].
func User() Rule {
	return Rule{check: func(q question) error {
		if c := &q.access.claims; c.Subject != "" && c.Subject != c.ClientID {
			return nil
		}
		return fmt.Errorf("%w: a person's token", ErrForbidden)
	}}
}

// ACR demands that the person signed in in one of these ways, as the issuer
// names them. If not, the answer is 401 with a challenge to do so (RFC 9470).
func ACR(values ...string) Rule {
	values = slices.Clone(values)
	return Rule{wants: wants{acr: values}, check: func(q question) error {
		if acr := q.access.claims.ACR; acr != "" && slices.Contains(values, acr) {
			return nil
		}
		return ErrStepUp
	}}
}

// AuthenticatedWithin demands that the person signed in at most d ago: the
// auth_time claim, to the second and without leeway. If not, the answer is 401
// with a challenge to do so again (RFC 9470).
func AuthenticatedWithin(d time.Duration) Rule {
	return Rule{wants: wants{maxAge: &d}, check: func(q question) error {
		at := q.access.claims.AuthTime
		if !at.IsZero() && q.now.Sub(at.Time()).Truncate(time.Second) <= d {
			return nil
		}
		return ErrStepUp
	}}
}

// Any demands that one of the rules holds. The refusal is that of the first. A
// WhenStale among them is a rule that doesn't hold.
func Any(rules ...Rule) Rule {
	rules = slices.Clone(rules)
	any := Rule{check: func(q question) error { return firstRefusal(q, rules) }}
	if len(rules) > 0 {
		any.wants = rules[0].wants
	}
	return any
}

func firstRefusal(q question, rules []Rule) error {
	var first error = ErrForbidden
	for n, rule := range rules {
		err := rule.ask(q)
		if err == nil && !rule.aboutLog() {
			return nil
		}
		if n == 0 && err != nil {
			first = err
		}
	}
	return first
}

// Func demands that f returns nil. Its error is a 403, and is there to be
// logged: it isn't shown to whoever asks.
func Func(f func(ctx context.Context, a *Access) error) Rule {
	if f == nil {
		return Rule{}
	}
	return Rule{check: func(q question) error {
		if err := f(q.ctx, q.access); err != nil {
			return forbidden{err}
		}
		return nil
	}}
}

// WhenStale is no demand but the policy of a route for the case that
// revocations are out of date, instead of Config.Stale. Of several, the
// strictest counts; inside another Handler of the same guard, the outer one has
// decided already, and only a stricter policy has an effect. Introspect without
// Credentials rejects.
func WhenStale(p StalePolicy) Rule { return Rule{policy: &p} }

// MinSeq demands that the revocations of the token's issuer are applied at least
// up to a number, as the call that revoked something returned it: for a request
// that must not be decided with less than its sender knows.
//
//	seq, err := strconv.ParseUint(r.Header.Get("X-Revoked-Up-To"), 10, 64)
//	…
//	a, err := g.Check(r, guard.MinSeq(seq))
//
// If they aren't applied yet, the request waits for them, 2 s at most; then it
// is refused with 503. Accepting when stale doesn't help it; with Introspect, or
// Online, the issuer is asked instead, past an answer that is remembered from
// before. A number of another life of the log, from before a restore, may never
// be reached. 0 demands nothing. As a rule among those of Any it doesn't hold.
func MinSeq(seq uint64) Rule { return Rule{seq: &seq} }

// ask evaluates a rule; what is about revocations was looked at before.
func (r Rule) ask(q question) error {
	switch {
	case r.aboutLog():
		return nil
	case r.check == nil:
		return ErrForbidden
	}
	return r.check(q)
}

// checkRules returns the refusal of the first rule that doesn't hold.
func checkRules(q question, rules []Rule) error {
	for _, rule := range rules {
		if err := rule.ask(q); err != nil {
			return err
		}
	}
	return nil
}

// demanding reports whether there is a rule that demands something.
func demanding(rules []Rule) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return !r.aboutLog() })
}

// aboutLog reports whether the rule says what to do about revocations, and
// demands nothing of the token.
func (r Rule) aboutLog() bool { return r.policy != nil || r.seq != nil }

// minSeqOf returns the highest number that the rules demand.
func minSeqOf(rules []Rule) (seq uint64) {
	for _, r := range rules {
		if r.seq != nil {
			seq = max(seq, *r.seq)
		}
	}
	return seq
}

// policyOf returns the strictest policy among the rules, or the preset. The
// constants are in order of strictness; what isn't one of them rejects.
func policyOf(rules []Rule, preset StalePolicy) StalePolicy {
	policy, found := preset, false
	for _, rule := range rules {
		if rule.policy == nil {
			continue
		}
		if p := *rule.policy; !found || p < policy {
			policy, found = p, true
		}
	}
	return policy
}

// collect gathers what all rules of a route want, so that a client that is
// refused once learns all of it.
func collect(rules []Rule) (scope, acr, maxAge string) {
	var scopes []string
	var age *time.Duration
	for _, rule := range rules {
		if rule.wants.scope != "" {
			scopes = append(scopes, rule.wants.scope)
		}
		if acr == "" {
			acr = strings.Join(rule.wants.acr, " ")
		}
		if d := rule.wants.maxAge; d != nil && (age == nil || *d < *age) {
			age = d
		}
	}
	if age != nil {
		maxAge = strconv.FormatInt(int64(max(*age, 0)/time.Second), 10)
	}
	return strings.Join(scopes, " "), acr, maxAge
}
