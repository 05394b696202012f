package lint

import (
	"errors"
	"slices"
	"strings"

	"github.com/writ-auth/writ/internal/strictjson"
)

// Sizes in bytes that a token should stay below.
const (
	maxCookie = 4096 // name and attributes come on top
	maxHeader = 8000 // leaves room for the header's name and scheme in 8 KB
)

// form checks what can be said without looking into the token.
func (l *linter) form() {
	t := l.token
	switch size := len(t.text); {
	case size > maxHeader:
		l.find("size-header", "%d bytes", size)
	case size > maxCookie:
		l.find("size-cookie", "%d bytes", size)
	}
	switch {
	case t.whole:
		l.find("form-json", "")
		return
	case t.encrypted:
		l.find("form-encrypted", "")
	case len(t.parts) != 3:
		l.find("form-parts", "%s", count(len(t.parts)))
	}
	for _, part := range t.sloppy {
		l.find("form-base64", "%s", part)
	}
	l.json("header", t.header, headerNames())
	l.json("payload", t.payload, claimNames())
}

func count(parts int) string {
	switch {
	case parts >= maxParts:
		return "6 parts or more"
	case parts == 1:
		return "1 part"
	}
	return string(rune('0'+parts)) + " parts"
}

// json checks the text of header or payload.
func (l *linter) json(part string, o *object, registered []string) {
	if o == nil {
		return
	}
	switch {
	case o.broken:
		l.find("json-broken", "%s", part)
	case errors.Is(o.strict, strictjson.ErrUTF8):
		l.find("json-utf8", "%s", part)
	case o.strict != nil && !errors.Is(o.strict, strictjson.ErrDuplicate):
		l.find("json-strict", "%s: %s", part, o.strict)
	}
	l.names(part, o, registered)
	if errors.Is(o.strict, strictjson.ErrDuplicate) && !l.found("json-duplicate") {
		l.find("json-duplicate", "%s: within one of its members", part)
	}
}

// names looks for one name in two spellings, or twice in one.
func (l *linter) names(part string, o *object, registered []string) {
	seen := make(map[string]string, len(o.members))
	canonical := make(map[string]string, len(registered))
	for _, r := range registered {
		canonical[fold(r)] = r
	}
	for _, m := range o.members {
		folded := fold(m.name)
		first, twice := seen[folded]
		switch {
		case twice && first == m.name:
			l.find("json-duplicate", "%s %s", part, name(m.name))
		case twice:
			l.find("json-case", "%s %s and %s", part, name(first), name(m.name))
		}
		seen[folded] = m.name
		if r := canonical[folded]; r != "" && m.name != r {
			l.find("json-case", "%s %s instead of %s", part, name(m.name), r)
		}
	}
}

// name is a member's name, cut short: it may be anything.
func name(s string) string {
	const most = 40
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	if s == "" {
		return `""`
	}
	return strings.ToValidUTF8(s, "�")
}

// headerNames and claimNames are the registered names that people get wrong.
func headerNames() []string {
	return append(baseNames(), "b64", "enc", "zip")
}

// baseNames are the header parameters of RFC 7515, which “crit” must not name.
func baseNames() []string {
	return []string{"alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit"}
}

func claimNames() []string {
	return []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "roles", "nonce", "azp", "cnf", "sid"}
}

// isOneOf is slices.Contains, read from the other side.
func isOneOf(s string, list ...string) bool { return slices.Contains(list, s) }
