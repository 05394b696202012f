package jwt

import (
	"crypto/subtle"
	"time"
)

// The checks of a payload whose signature was good, in their order.

// checkFacts refuses bound tokens first: without the proof, whatever else they
// say was not said to this bearer.
func (v *Verifier[C]) checkFacts(f *facts) error {
	if f.confirmation && !v.expect.AllowConfirmation {
		return refuse(ErrClaim, "cnf", "the token is bound to a key, and nobody here checks the proof")
	}
	if name, absent := v.plan.missing(f); absent {
		return refuse(ErrClaim, name, "missing")
	}
	return nil
}

func (v *Verifier[C]) checkClaims(c *Claims, f *facts, nonce *string) error {
	if v.issuer != "" && c.Issuer != v.issuer {
		return refuseOther(ErrIssuer, "iss", v.issuer)
	}
	if err := v.expect.checkAudience(c.Audience, f.authorizedParty); err != nil {
		return err
	}
	if want := v.expect.Subject; want != "" && c.Subject != want {
		return refuseOther(ErrClaim, "sub", want)
	}
	if err := v.expect.checkNonce(nonce, f.nonce); err != nil {
		return err
	}
	return v.expect.checkTime(c, v.expect.Now())
}

// checkAudience compares aud and, for ID tokens, azp (OpenID Connect Core
// section 3.1.3.7): a token for several audiences says which of them asked.
func (e *Expect) checkAudience(aud Audience, azp string) error {
	if !e.AnyAudience && !e.names(aud) {
		return refuseOther(ErrAudience, "aud", e.Audience...)
	}
	if e.authorizedParty == "" || azp == e.authorizedParty || (azp == "" && len(aud) < 2) {
		return nil
	}
	return refuseOther(ErrAudience, "azp", e.authorizedParty)
}

// names reports whether one of the expected audiences is in aud.
func (e *Expect) names(aud Audience) bool {
	for _, name := range e.Audience {
		if aud.Has(name) {
			return true
		}
	}
	return false
}

func (e *Expect) checkNonce(want *string, got string) error {
	switch {
	case want == nil && e.RequireNonce:
		return refuse(ErrNonce, "nonce", "Verify was called instead of VerifyNonce")
	case want == nil:
		return nil
	case *want == "":
		return refuse(ErrNonce, "nonce", "the expected nonce is empty")
	case subtle.ConstantTimeCompare([]byte(*want), []byte(got)) != 1:
		return refuse(ErrNonce, "nonce", "")
	}
	return nil
}

// checkTime compares exp, nbf and iat with the clock, RFC 7519 sections 4.1.4
// to 4.1.6: the second of exp is the first at which the token is over, that of
// nbf the first at which it counts.
func (e *Expect) checkTime(c *Claims, now time.Time) error {
	exp, nbf, iat := c.Expiry.Time(), c.NotBefore.Time(), c.IssuedAt.Time()
	early, late := now, now // for exp, and for what begins
	if e.Leeway != 0 {
		early, late = now.Add(-e.Leeway), now.Add(e.Leeway)
	}
	switch {
	case !exp.IsZero() && !early.Before(exp):
		return refuse(ErrExpired, "exp", "")
	case !nbf.IsZero() && late.Before(nbf):
		return refuse(ErrNotYetValid, "nbf", "")
	case !iat.IsZero() && now.Before(iat) && now.Add(max(e.Leeway, futureIAT)).Before(iat):
		return refuse(ErrNotYetValid, "iat", "")
	case e.MaxAge > 0 && now.Sub(iat) > e.MaxAge:
		return refuse(ErrTooOld, "iat", "")
	}
	return nil
}
