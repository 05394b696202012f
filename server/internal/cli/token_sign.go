package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
)

type tokenSignCmd struct {
	keyFlags
	Kid       string            `placeholder:"ID" help:"Key ID in the header. Default: the key's."`
	Type      string            `default:"JWT" placeholder:"TYP" help:"Type in the header: JWT (default), at+jwt for an access token."`
	Issuer    string            `placeholder:"URL" help:"Claim iss."`
	Subject   string            `placeholder:"ID" help:"Claim sub."`
	Audience  []string          `sep:"none" placeholder:"AUD" help:"Claim aud; may be repeated."`
	Lifetime  time.Duration     `placeholder:"15m" help:"Sets exp to so much from now."`
	NotBefore string            `placeholder:"TIME" help:"Claim nbf, in RFC 3339."`
	Claim     map[string]string `placeholder:"NAME=TEXT" mapsep:"none" help:"Another claim, as text; may be repeated."`
	ClaimJSON map[string]string `name:"claim-json" placeholder:"NAME=JSON" mapsep:"none" help:"Another claim, as JSON; may be repeated."`
	Claims    string            `placeholder:"FILE" help:"A JSON object with claims; flags replace its members. - reads standard input."`
	NoExpiry  bool              `help:"Allow a token without exp: it is good for as long as its key."`
}

// Run assembles the token member by member, since it takes claims of any type;
// package jwt signs only structs.
func (c tokenSignCmd) Run(p *program) error {
	if !c.given() {
		return usagef("sign with what? give --key FILE or --secret-file FILE")
	}
	if !utf8.ValidString(strings.Join(p.Args, " ")) {
		return usagef("the command line is not UTF-8, and JSON can't be anything else")
	}
	m, err := c.load(p)
	if err != nil {
		return err
	}
	key, err := m.signingKey()
	if err != nil {
		return err
	}
	claims, err := c.members(p)
	if err != nil {
		return err
	}
	if err := c.check(claims); err != nil {
		return err
	}
	kid := key.KeyID()
	if c.Kid != "" {
		kid = c.Kid
	}
	token, err := signMembers(key, header(c.Type, key.Algorithm(), kid), claims)
	if err != nil {
		return err
	}
	return p.show(map[string]string{"token": token}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, token)
		return err
	})
}

// members collects the claims: the file's, then what the flags say, then the
// date and the id that every token should have.
func (c tokenSignCmd) members(p *program) ([]member, error) {
	var claims []member
	if c.Claims != "" {
		data, err := p.readInput(c.Claims)
		if err != nil {
			return nil, err
		}
		if claims, err = readMembers(data); err != nil {
			return nil, fmt.Errorf("%s: %w; the claims are one JSON object", c.Claims, err)
		}
	}
	given, err := c.fromFlags()
	if err != nil {
		return nil, err
	}
	for _, m := range given {
		claims = put(claims, m)
	}
	now := p.Now()
	if c.Lifetime != 0 {
		claims = put(claims, member{"exp", numericDate(now.Add(c.Lifetime))})
	}
	claims = putMissing(claims, member{"iat", numericDate(now)})
	return putMissing(claims, member{"jti", quote(auth.Random128())}), nil
}

// fromFlags are the claims that flags give.
func (c tokenSignCmd) fromFlags() ([]member, error) {
	var out []member
	for _, m := range []member{{"iss", c.Issuer}, {"sub", c.Subject}} {
		if m.value != "" {
			out = append(out, member{m.name, quote(m.value)})
		}
	}
	if len(c.Audience) > 0 {
		aud, err := jwt.Audience(c.Audience).MarshalJSON()
		if err != nil {
			return nil, err
		}
		out = append(out, member{"aud", string(aud)})
	}
	if c.NotBefore != "" {
		t, err := time.Parse(time.RFC3339, c.NotBefore)
		if err != nil {
			return nil, usagef("--not-before %q is no time in RFC 3339, such as 2026-01-02T15:04:05Z", c.NotBefore)
		}
		out = append(out, member{"nbf", numericDate(t)})
	}
	for _, name := range sortedKeys(c.Claim) {
		out = append(out, member{name, quote(c.Claim[name])})
	}
	for _, name := range sortedKeys(c.ClaimJSON) {
		value := strings.TrimSpace(c.ClaimJSON[name])
		if err := strictjson.Check([]byte(value)); err != nil {
			return nil, usagef("--claim-json %s: %v; text goes into --claim", name, err)
		}
		out = append(out, member{name, value})
	}
	return out, nil
}

// check refuses a token that no careful verifier would take.
func (c tokenSignCmd) check(claims []member) error {
	if c.Lifetime < 0 {
		return usagef("--lifetime must not be negative")
	}
	has := func(name string) bool {
		return slices.ContainsFunc(claims, func(m member) bool { return m.name == name })
	}
	if !has("exp") && !c.NoExpiry {
		return usagef("the token would never expire; give --lifetime 15m, or --no-expiry if that is meant")
	}
	if strings.EqualFold(strings.TrimPrefix(c.Type, "application/"), "at+jwt") {
		for _, name := range []string{"iss", "aud", "sub", "client_id"} {
			if !has(name) {
				return fmt.Errorf("an access token (at+jwt) needs the claim %s (RFC 9068, section 2.2); add it, or leave --type out", name)
			}
		}
	}
	payload := object(claims)
	if err := json.Unmarshal(payload, new(jwt.Claims)); err != nil {
		return fmt.Errorf("a registered claim has the wrong type: %w; dates are seconds since 1970", err)
	}
	return nil
}

// header is the token's JOSE header; typ JWT is written out, kid only if there
// is one.
func header(typ string, alg jwk.Algorithm, kid string) []member {
	out := []member{{"typ", quote(typ)}, {"alg", quote(string(alg))}}
	if kid != "" {
		out = append(out, member{"kid", quote(kid)})
	}
	return out
}

// signMembers makes the compact serialisation (RFC 7515, section 3.1). What it
// makes must pass the strict reader, or nobody could verify it.
func signMembers(key jwk.SigningKey, header, claims []member) (string, error) {
	text := base64url.Encode(object(header)) + "." + base64url.Encode(object(claims))
	signature, err := key.Sign([]byte(text))
	if err != nil {
		return "", err
	}
	token := text + "." + base64url.Encode(signature)
	var refused *jwt.Error
	if _, err := jwt.DecodeUnverified(token); errors.As(err, &refused) {
		return "", fmt.Errorf("verifiers would refuse the token: %s", refused)
	}
	return token, nil
}

func object(members []member) []byte {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(m.name) + ":" + m.value)
	}
	b.WriteByte('}')
	return []byte(b.String())
}

// put replaces the member of that name, or adds it.
func put(members []member, m member) []member {
	for i := range members {
		if members[i].name == m.name {
			members[i] = m
			return members
		}
	}
	return append(members, m)
}

func putMissing(members []member, m member) []member {
	for i := range members {
		if members[i].name == m.name {
			return members
		}
	}
	return append(members, m)
}

func numericDate(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// quote is text as a JSON string; Run has checked that it is UTF-8.
func quote(text string) string {
	out, err := strictjson.AppendString(nil, text)
	if err != nil {
		return `""`
	}
	return string(out)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
