package lint

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// header checks algorithm, type, key and extensions.
func (l *linter) header() {
	h := l.token.header
	if !h.readable() {
		return
	}
	l.algorithm(h)
	if !l.token.encrypted {
		l.typ(h)
	}
	l.keyID(h)
	l.keys(h)
	l.crit(h)
	if h.has("b64") {
		l.find("b64", "header b64")
	}
	if h.has("zip") {
		l.find("zip", "header zip")
	}
	if cty, _ := h.string("cty"); strings.EqualFold(strings.TrimPrefix(strings.ToLower(cty), "application/"), "JWT") && !l.token.encrypted {
		l.find("nested", "header cty")
	}
}

func (l *linter) algorithm(h *object) {
	alg, ok := h.string("alg")
	switch {
	case !ok || alg == "":
		l.find("alg-missing", "")
	case isNone(alg):
		l.find("alg-none", "header alg: %s", name(alg))
	case isOneOf(alg, "RSA1_5", "RS1", "HS1"):
		l.find("alg-deprecated", "header alg: %s", alg)
	case l.token.encrypted:
		if strings.HasPrefix(alg, "PBES2-") {
			l.find("alg-password", "header alg: %s", name(alg))
		}
	case !isOneOf(alg, signatures()...):
		l.find("alg-unknown", "header alg: %s", name(alg))
	case alg == "EdDSA":
		l.find("alg-polymorphic", "")
	case strings.HasPrefix(alg, "HS"):
		l.shared(alg)
	}
}

// isNone recognises “none” as careless verifiers compare it: in any case, with
// white space or control characters, or letters that only look the same.
func isNone(alg string) bool {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return -1
		}
		switch r {
		case 'о', 'ο': // Cyrillic and Greek
			return 'o'
		case 'е', 'ε':
			return 'e'
		case 'п', 'η':
			return 'n'
		}
		return unicode.ToLower(r)
	}, alg)
	return plain == "none"
}

// signatures are the registered algorithms that sign.
func signatures() []string {
	return []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
		"EdDSA", "Ed25519", "Ed448", "ES256K", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}
}

// shared looks at who must hold the secret of an HMAC.
func (l *linter) shared(alg string) {
	if audience, _ := l.token.payload.strings("aud"); len(audience) > 1 {
		l.find("alg-shared-many", "header alg: %s for %d audiences", alg, len(audience))
		return
	}
	l.find("alg-shared", "header alg: %s", alg)
}

func (l *linter) typ(h *object) {
	_, isString := h.string("typ")
	switch {
	case !h.has("typ"):
		if l.kind != ID {
			l.find("typ-missing", "")
		}
	case !isString:
		l.find("typ-wrong", "header typ")
	case l.kind != ID && isOneOf(mediaType(h), "jwt", "jws", "jose", ""):
		l.find("typ-generic", "header typ")
	}
}

// maxKeyID is the length in bytes that verifiers usually take.
const maxKeyID = 256

func (l *linter) keyID(h *object) {
	kid, isString := h.string("kid")
	switch {
	case !h.has("kid"):
		if !l.token.encrypted {
			l.find("kid-missing", "")
		}
	case !isString:
		l.find("kid-wrong", "header kid")
	default:
		if len(kid) > maxKeyID {
			l.find("kid-long", "header kid: %d bytes", len(kid))
		}
		if what := injection(kid); what != "" {
			l.find("kid-injection", "header kid: %s", what)
		}
	}
}

// base64Text is base64 of a hash, as some make key ids of; its slash is no path.
var base64Text = regexp.MustCompile(`^[A-Za-z0-9+/]+={0,2}$`)

// sqlText is what only a query has.
var sqlText = regexp.MustCompile(`(?i)\b(union|select|insert|drop|delete|or|and)\b.*(=|\bfrom\b|\bselect\b|\btable\b|\binto\b)`)

// injection says what kid could be besides a name; "" for nothing.
func injection(kid string) string {
	switch {
	case strings.IndexFunc(kid, unicode.IsControl) >= 0:
		return "control characters"
	case isBase64(kid):
		return ""
	case strings.Contains(kid, "://"):
		return "a URL"
	case strings.Contains(kid, "..") || strings.ContainsAny(kid, `\`) || strings.Contains(kid, "/"):
		return "a path"
	case strings.ContainsAny(kid, `'";`) || strings.Contains(kid, "/*") || sqlText.MatchString(kid):
		return "a query"
	case strings.ContainsAny(kid, "|`$<>&(){}*?!%"):
		return "a command or pattern"
	}
	return ""
}

func isBase64(kid string) bool {
	if !base64Text.MatchString(kid) {
		return false
	}
	data, err := base64.StdEncoding.Strict().DecodeString(kid)
	return err == nil && len(data) >= 16
}

// keys looks for keys that the token brings, or says where to fetch.
func (l *linter) keys(h *object) {
	for _, n := range []string{"jku", "x5u"} {
		if h.has(n) {
			l.find("key-url", "header %s", n)
		}
	}
	if h.has("jwk") && mediaType(h) != "dpop+jwt" && mediaType(h) != "openid4vci-proof+jwt" {
		l.find("key-embedded", "header jwk")
	}
	if h.has("x5c") {
		l.find("key-chain", "header x5c")
	}
}

func (l *linter) crit(h *object) {
	raw := h.get("crit")
	if raw == nil {
		return
	}
	var list []json.RawMessage
	names, _ := h.strings("crit")
	if json.Unmarshal(raw, &list) != nil || len(names) == 0 || len(names) != len(list) {
		l.find("crit-wrong", "header crit")
		return
	}
	for i, n := range names {
		if slices.Contains(names[:i], n) || isOneOf(n, baseNames()...) || !h.has(n) {
			l.find("crit-wrong", "header crit: %s", name(n))
			continue
		}
		l.find("crit-unknown", "header crit: %s", name(n))
	}
}
