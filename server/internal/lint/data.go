package lint

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// data looks through the whole payload for what doesn't belong into a text that
// everyone can read.
func (l *linter) data() {
	for _, m := range l.token.payload.members {
		dec := json.NewDecoder(strings.NewReader(string(m.raw)))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) == nil {
			l.value(m.name, m.name, v)
		}
	}
}

// value looks at one value: path leads to it, and key is the nearest name.
func (l *linter) value(path, key string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if privateJWK(v) {
			l.place("data-secret", path, "a private key")
		}
		if len(v) > 0 && ends(words(key), []string{"address"}) { // its parts have names that say nothing by themselves
			l.byName(path, key, "…")
			return
		}
		for _, k := range sortedKeys(v) {
			l.value(path+"."+name(k), k, v[k])
		}
	case []any:
		for i, e := range v {
			l.value(path+"["+strconv.Itoa(i)+"]", key, e)
		}
	case string:
		if !l.byName(path, key, v) {
			l.byValue(path, v)
		}
	case json.Number:
		if !l.byName(path, key, v.String()) && cardNumber(v.String()) {
			l.place("data-card", path, "")
		}
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// place adds a finding about a claim; what says what is there, never its value.
func (l *linter) place(id, path, what string) {
	if what != "" {
		what = ": " + what
	}
	l.find(id, "claim %s%s", name(path), what)
}

// byName judges a text or number by the name it has; false if that says nothing.
func (l *linter) byName(path, key, value string) bool {
	words := words(key)
	if len(words) == 0 || value == "" {
		return false
	}
	id := ""
	switch {
	case ends(words, secretNames()):
		id = "data-secret"
	case ends(words, cardNames()) && digits(value) >= 3:
		id = "data-card"
	case ends(words, governmentNames()):
		id = "data-government"
	case ends(words, tokenNames()) && len(value) >= 16:
		id = "data-token"
	case ends(words, []string{"iban", "bank account", "account number"}):
		id = "data-bank"
	case ends(words, personalNames()):
		if l.kind == ID && path == key { // it is what an ID token is for
			return true
		}
		id = "data-personal"
	case isOneOf(strings.Join(words, " "), "name", "full name", "given name", "family name", "first name", "last name", "middle name", "surname"):
		if l.kind == ID {
			return true
		}
		id = "data-name"
	default:
		return false
	}
	l.place(id, path, "")
	return true
}

// ends reports whether a name ends in one of the phrases, or its plural:
// "db_password" does in "password", "password_changed_at" doesn't.
func ends(words, phrases []string) bool {
	name := " " + strings.Join(words, " ")
	one := strings.TrimSuffix(name, "s")
	for _, phrase := range phrases {
		if endsInWords(name, phrase) || endsInWords(one, phrase) {
			return true
		}
	}
	return false
}

// endsInWords is strings.HasSuffix from the beginning of a word on; name begins
// with a space.
func endsInWords(name, phrase string) bool {
	return strings.HasSuffix(name, phrase) && name[len(name)-len(phrase)-1] == ' '
}

func secretNames() []string {
	return []string{"password", "passwd", "pwd", "passphrase", "passcode", "password hash", "passwordhash", "pin code",
		"secret", "secret key", "secretkey", "client secret", "private key", "privatekey", "api key", "apikey", "access key", "accesskey",
		"credentials", "mnemonic", "seed phrase", "recovery code", "recovery codes", "backup codes", "otp secret", "totp"}
}

func tokenNames() []string {
	return []string{"access token", "accesstoken", "refresh token", "refreshtoken", "id token", "auth token", "bearer token",
		"session token", "api token", "session cookie", "jwt"}
}

func cardNames() []string {
	return []string{"credit card", "creditcard", "card number", "cardnumber", "credit card number", "pan", "cvv", "cvc", "cvv2"}
}

func governmentNames() []string {
	return []string{"ssn", "social security number", "social security", "national id", "national insurance number", "passport",
		"passport number", "tax id", "tin", "driver license", "drivers license", "driving licence", "identity card"}
}

func personalNames() []string {
	return []string{"email", "e mail", "mail", "email address", "phone", "phone number", "telephone", "mobile", "mobile number",
		"birthdate", "birthday", "date of birth", "dob", "birth date", "address", "street", "street address", "postal code",
		"zip code", "gender", "sex", "nationality", "religion", "ethnicity", "diagnosis", "blood type", "salary"}
}

// words are the words of a name, whichever way it is written: user_password,
// user-password, userPassword.
func words(key string) []string {
	key = key[strings.LastIndexAny(key, "/#:")+1:] // names that are URLs
	var b strings.Builder
	lower := false
	for _, r := range key {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			b.WriteByte(' ')
		case unicode.IsUpper(r) && lower:
			b.WriteByte(' ')
			fallthrough
		default:
			b.WriteRune(unicode.ToLower(r))
		}
		lower = unicode.IsLower(r)
	}
	return strings.Fields(b.String())
}

func digits(s string) int {
	n := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			n++
		}
	}
	return n
}
