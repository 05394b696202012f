package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwks"
	"github.com/writ-auth/writ/jwt"
)

type tokenVerifyCmd struct {
	keyFlags
	Token         string        `arg:"" optional:"" help:"The token; - or nothing reads standard input, which no process list shows."`
	Issuer        string        `placeholder:"URL" help:"The issuer that the token must have. Without a key, its keys are fetched from there (discovery)."`
	Audience      []string      `sep:"none" placeholder:"AUD" help:"An audience that the token must have; may be repeated, one is enough."`
	Type          string        `placeholder:"TYP" help:"The type that the token must have. Default: JWT or at+jwt, whichever it says it is."`
	Leeway        time.Duration `help:"How much clocks may differ, for exp and nbf; at most 5m."`
	AnyIssuer     bool          `help:"Don't check the issuer."`
	AnyAudience   bool          `help:"Don't check the audience."`
	AllowNoExpiry bool          `help:"Accept a token without exp."`
}

// failure is one check that the token doesn't pass.
type failure struct {
	Check  string `json:"check"` // "signature", "type", "issuer", …
	Detail string `json:"detail"`
}

// verdict is the answer of token verify with --json. Revocation can't be seen
// from a token: "not checked".
type verdict struct {
	Valid      bool            `json:"valid"`
	Algorithm  string          `json:"alg,omitempty"`
	KeyID      string          `json:"kid,omitempty"`
	Failures   []failure       `json:"failures"`
	Revocation string          `json:"revocation"`
	Claims     json.RawMessage `json:"claims,omitempty"` // only of a genuine signature
}

func (c tokenVerifyCmd) Run(ctx context.Context, p *program) error {
	if err := c.complete(); err != nil {
		return err
	}
	keys, closeKeys, err := c.source(p)
	if err != nil {
		return err
	}
	defer closeKeys()
	token, err := p.readToken(c.Token)
	if err != nil {
		return err
	}
	genuine, failures, err := c.judge(ctx, keys, token, p.Now)
	if err != nil {
		return err
	}
	return c.report(p, genuine, failures)
}

// complete wants every check to be decided: one that was forgotten would pass.
func (c tokenVerifyCmd) complete() error {
	switch {
	case !c.given() && c.Issuer == "":
		return usagef("verify with which key? give --key FILE, --secret-file FILE, or --issuer URL to fetch its keys")
	case c.Issuer == "" && !c.AnyIssuer:
		return usagef("which issuer must the token have? give --issuer URL, or --any-issuer to skip the check")
	case len(c.Audience) == 0 && !c.AnyAudience:
		return usagef("which audience must the token have? give --audience AUD, or --any-audience to skip the check")
	case c.Leeway < 0 || c.Leeway > 5*time.Minute:
		return usagef("--leeway must be between 0 and 5m")
	}
	return nil
}

// source is the key that the flags give, or the issuer's published set.
func (c tokenVerifyCmd) source(p *program) (jwt.KeySource, func(), error) {
	if c.given() {
		m, err := c.load(p)
		if err != nil {
			return nil, nil, err
		}
		return m.source(), func() {}, nil
	}
	remote, err := jwks.New(jwks.Config{Issuer: c.Issuer, MaxWait: 15 * time.Second, Now: p.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, fmt.Errorf("--issuer: %w; give an https URL, or http on this machine", err)
	}
	return remote, func() { remote.Close() }, nil
}

// judge verifies the token and goes on after a failed check, with that check
// alone relaxed, so that a person sees all that is wrong at once. Nothing is
// relaxed before the signature: a forged token's claims mean nothing.
func (c tokenVerifyCmd) judge(ctx context.Context, keys jwt.KeySource, token string, now func() time.Time) (*jwt.Token[jwt.Claims], []failure, error) {
	expect := jwt.Expect{Issuer: c.Issuer, Audience: c.Audience, Type: c.typeOf(token), Leeway: c.Leeway,
		AnyIssuer: c.AnyIssuer, AnyAudience: c.AnyAudience, AllowNoExpiry: c.AllowNoExpiry, Now: now}
	if c.AnyIssuer {
		expect.Issuer = ""
	}
	if c.AnyAudience {
		expect.Audience = nil
	}
	var failures []failure
	for {
		v, err := jwt.NewVerifier[jwt.Claims](keys, expect)
		if err != nil {
			return nil, nil, usagef("%v", err)
		}
		tok, err := v.Verify(ctx, token)
		if err == nil {
			return tok, failures, nil
		}
		var refused *jwt.Error
		if !errors.As(err, &refused) {
			return nil, nil, err
		}
		if errors.Is(err, jwt.ErrUnavailable) {
			return nil, nil, fmt.Errorf("%w; is the issuer running, and is its address right?", err)
		}
		failures = append(failures, explain(refused, expect, token))
		if !relax(&expect, refused, token) {
			return nil, failures, nil
		}
	}
}

// typeOf is the type to expect: what the flag says, else the token's own if it
// is one of the two that people verify here.
func (c tokenVerifyCmd) typeOf(token string) string {
	if c.Type != "" {
		return c.Type
	}
	if typ := claimedType(token); strings.EqualFold(strings.TrimPrefix(typ, "application/"), "at+jwt") {
		return "at+jwt"
	}
	return "JWT"
}

func claimedType(token string) string {
	var header struct {
		Typ string `json:"typ"`
	}
	if u, err := jwt.DecodeUnverified(token); err == nil && json.Unmarshal(u.Header(), &header) == nil {
		return header.Typ
	}
	return ""
}

// relax lifts the one check that failed; false where nothing may be lifted.
func relax(expect *jwt.Expect, refused *jwt.Error, token string) bool {
	switch {
	case errors.Is(refused, jwt.ErrType):
		typ := claimedType(token)
		if typ == "" {
			typ = "JWT"
		}
		if typ == expect.Type {
			return false
		}
		expect.Type = typ
	case errors.Is(refused, jwt.ErrIssuer) && !expect.AnyIssuer:
		expect.Issuer, expect.AnyIssuer = "", true
	case errors.Is(refused, jwt.ErrAudience) && !expect.AnyAudience:
		expect.Audience, expect.AnyAudience = nil, true
	case errors.Is(refused, jwt.ErrClaim):
		return relaxMissing(expect, refused.Name)
	case errors.Is(refused, jwt.ErrExpired):
		return relaxExpiry(expect, token)
	default:
		return false
	}
	return true
}

// relaxMissing goes on without a claim that isn't there.
func relaxMissing(expect *jwt.Expect, name string) bool {
	switch {
	case name == "iss" && !expect.AnyIssuer:
		expect.Issuer, expect.AnyIssuer = "", true
	case name == "aud" && !expect.AnyAudience:
		expect.Audience, expect.AnyAudience = nil, true
	case name == "exp" && !expect.AllowNoExpiry:
		expect.AllowNoExpiry = true
	default:
		return false
	}
	return true
}

// relaxExpiry sets the clock to just before exp, for what remains to be looked at.
func relaxExpiry(expect *jwt.Expect, token string) bool {
	exp, ok := claimedDate(token, "exp")
	before := exp.Add(-time.Second)
	if !ok || !before.Before(expect.Now()) {
		return false
	}
	expect.Now = func() time.Time { return before }
	return true
}

func claimedDate(token, name string) (time.Time, bool) {
	return claimedMember(token, name).date()
}

// claimed is a claim's JSON.
func claimed(token, name string) string { return claimedMember(token, name).value }

func claimedMember(token, name string) member {
	if u, err := jwt.DecodeUnverified(token); err == nil {
		members, _ := readMembers(u.Payload())
		for _, m := range members {
			if m.name == name {
				return m
			}
		}
	}
	return member{}
}

// explain is the failure for a person: with what the token says where that can
// be told from what was expected.
func explain(refused *jwt.Error, expect jwt.Expect, token string) failure {
	detail := strings.TrimPrefix(refused.Error(), "jwt: ")
	switch {
	case errors.Is(refused, jwt.ErrType):
		detail = fmt.Sprintf("is %q, expected %q", claimedType(token), expect.Type)
	case errors.Is(refused, jwt.ErrIssuer):
		detail = fmt.Sprintf("is %s, expected %q", claimed(token, "iss"), expect.Issuer)
	case errors.Is(refused, jwt.ErrAudience):
		detail = fmt.Sprintf("is %s, expected %s", claimed(token, "aud"), strings.Join(expect.Audience, " or "))
	case errors.Is(refused, jwt.ErrExpired):
		if exp, ok := claimedDate(token, "exp"); ok {
			detail = "expired at " + when(exp, expect.Now())
		}
	}
	return failure{Check: checkName(refused), Detail: detail}
}

func checkName(refused *jwt.Error) string {
	for _, c := range []struct {
		reason error
		name   string
	}{
		{jwt.ErrTooLarge, "size"}, {jwt.ErrMalformed, "form"}, {jwt.ErrHeader, "header"}, {jwt.ErrType, "type"},
		{jwt.ErrKey, "key"}, {jwt.ErrSignature, "signature"}, {jwt.ErrIssuer, "issuer"}, {jwt.ErrAudience, "audience"},
		{jwt.ErrExpired, "expiry"}, {jwt.ErrNotYetValid, "not before"}, {jwt.ErrTooOld, "age"},
	} {
		if errors.Is(refused, c.reason) {
			return c.name
		}
	}
	return "claims"
}

// report shows the verdict; a refused token is the command's failure.
func (c tokenVerifyCmd) report(p *program, tok *jwt.Token[jwt.Claims], failures []failure) error {
	out := verdict{Valid: len(failures) == 0, Failures: failures, Revocation: "not checked"}
	if failures == nil {
		out.Failures = []failure{}
	}
	if tok != nil {
		out.Algorithm, out.KeyID, out.Claims = string(tok.Algorithm()), tok.KeyID(), tok.Payload()
	}
	if p.json {
		if err := p.show(out, nil); err != nil {
			return err
		}
	} else if out.Valid {
		if err := showGenuine(p.Stdout, out, p.Now()); err != nil {
			return err
		}
	}
	if out.Valid {
		return nil
	}
	return refusal(out)
}

func showGenuine(w io.Writer, v verdict, now time.Time) error {
	claims, err := readMembers(v.Claims)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Valid: %s signature%s, issuer, audience and times are as expected. Revocation was not checked.\n\nClaims\n",
		v.Algorithm, withKid(v.KeyID))
	var lines [][2]string
	for _, m := range claims {
		lines = append(lines, [2]string{"  " + m.name, m.text(now)})
	}
	return columns(w, lines)
}

// refusal is the one line that names every failed check.
func refusal(v verdict) error {
	parts := make([]string, len(v.Failures))
	for i, f := range v.Failures {
		parts[i] = f.Check + " " + f.Detail
	}
	text := "the token is refused: " + strings.Join(parts, "; ")
	if v.Claims == nil {
		text += "; its claims were not looked at"
	}
	return errors.New(text)
}
