package lint

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/writ-auth/writ/internal/base64url"
)

// What gives a value away, whatever its name is. The prefixes are those with
// which makers of keys mark them, so that they can be found in texts.
var (
	apiKeyText   = regexp.MustCompile(`\b(AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|[sr]k_live_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{36}|writ_rt_[A-Za-z0-9_-]{16,})`)
	hashText     = regexp.MustCompile(`^(\$2[abxy]?\$\d\d\$|\$argon2(id|i|d)\$|\$scrypt\$|\$pbkdf2|\$[156]\$)`)
	userinfoText = regexp.MustCompile(`[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@`)
	emailText    = regexp.MustCompile(`^[^\s@:/]+@[^\s@:/]+\.[A-Za-z]{2,}$`)
	phoneText    = regexp.MustCompile(`^\+[1-9][0-9 ()/.-]{6,20}[0-9]$`)
	ssnText      = regexp.MustCompile(`^\d{3}-\d{2}-\d{4}$`)
	cardText     = regexp.MustCompile(`^\d{4,6}[ -]?\d{4,6}[ -]?\d{4,5}([ -]?\d{1,4})?$`)
	ibanText     = regexp.MustCompile(`^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$`)
)

// byValue judges a text by what it looks like.
func (l *linter) byValue(path, v string) {
	switch {
	case strings.Contains(v, "-----BEGIN ") && strings.Contains(v, "PRIVATE KEY"):
		l.place("data-secret", path, "a private key")
	case hashText.MatchString(v):
		l.place("data-secret", path, "a password's hash")
	case userinfoText.MatchString(v):
		l.place("data-secret", path, "a URL with a password")
	case apiKeyText.MatchString(v):
		l.place("data-secret", path, "a key or token of a service")
	case isToken(v):
		l.place("data-token", path, "")
	case cardNumber(v):
		l.place("data-card", path, "")
	case iban(v):
		l.place("data-bank", path, "")
	case ssnText.MatchString(v):
		l.place("data-government", path, "")
	case emailText.MatchString(v):
		l.place("data-personal", path, "an e-mail address")
	case phoneText.MatchString(v):
		l.place("data-personal", path, "a telephone number")
	}
}

// privateJWK reports whether an object is a private key or a secret (RFC 7517).
func privateJWK(o map[string]any) bool {
	kty, _ := o["kty"].(string)
	d, _ := o["d"].(string)
	k, _ := o["k"].(string)
	return kty != "" && (d != "" || k != "")
}

// isToken reports whether v is a token like the one that it stands in.
func isToken(v string) bool {
	head, _, ok := strings.Cut(v, ".")
	if !ok || !strings.HasPrefix(head, "ey") {
		return false
	}
	data, err := base64url.Decode(head)
	var header struct {
		Alg *string `json:"alg"`
	}
	return err == nil && json.Unmarshal(data, &header) == nil && header.Alg != nil
}

// cardNumber reports whether v is a number that a payment card can have: of a
// known issuer, with a right check digit.
func cardNumber(v string) bool {
	if !cardText.MatchString(v) {
		return false
	}
	plain := strings.NewReplacer(" ", "", "-", "").Replace(v)
	return issued(plain) && luhn(plain)
}

// issued reports whether a number begins, and is as long, as those of the large
// card issuers: one of ten numbers passes the check digit by chance.
func issued(n string) bool {
	between := func(low, high string) bool { return n[:len(low)] >= low && n[:len(high)] <= high }
	switch len(n) {
	case 13, 19:
		return n[0] == '4'
	case 14:
		return between("300", "305") || between("36", "36") || between("38", "39")
	case 15:
		return between("34", "34") || between("37", "37")
	case 16:
		return n[0] == '4' || between("51", "55") || between("2221", "2720") || between("6011", "6011") ||
			between("644", "659") || between("3528", "3589")
	}
	return false
}

// luhn is the check of ISO/IEC 7812-1.
func luhn(n string) bool {
	sum := 0
	for i := range n {
		d := int(n[len(n)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// iban is the check of ISO 13616: the number, its first four characters moved to
// the end and letters as two digits, is 1 modulo 97.
func iban(v string) bool {
	v = strings.ReplaceAll(v, " ", "")
	if !ibanText.MatchString(v) {
		return false
	}
	rest := 0
	for _, r := range v[4:] + v[:4] {
		if r >= 'A' {
			rest = (rest*100 + int(r-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(r-'0')) % 97
		}
	}
	return rest == 1
}
