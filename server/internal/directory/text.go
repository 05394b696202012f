package directory

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Limits in bytes, and in elements of a list.
const (
	maxEmail    = 254 // RFC 5321, section 4.5.3.1, less the angle brackets
	maxUsername = 64
	maxName     = 256
	maxWord     = 128 // a role, a permission, a scope
	maxList     = 100
)

// checkText refuses what must never be stored: bytes that are no text, and
// characters that move the cursor of a terminal, begin another line of a log,
// or make text read backwards. Markup is just text.
func checkText(field, s string, most int) error {
	switch {
	case len(s) > most:
		return auth.Invalid(field, "%s has more than %d bytes", field, most)
	case !utf8.ValidString(s):
		return auth.Invalid(field, "%s is not valid UTF-8", field)
	case strings.ContainsFunc(s, unprintable):
		return auth.Invalid(field, "%s contains control characters", field)
	}
	return nil
}

func unprintable(r rune) bool {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029', r == utf8.RuneError, r == '\ufeff':
		return true
	case '\u202a' <= r && r <= '\u202e', '\u2066' <= r && r <= '\u2069': // overrides of direction
		return true
	}
	return false
}

// checkEmail wants one '@' with something on both sides, and no blank or
// invisible character. Whether mail arrives, only mail can tell.
func checkEmail(field, s string) error {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || len(s) > maxEmail {
		return auth.Invalid(field, "%s must be an e-mail address of at most %d bytes", field, maxEmail)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }) {
		return auth.Invalid(field, "%s contains spaces or control characters", field)
	}
	return nil
}

// checkUsername allows no '@', so that no name is taken for an address, and no
// name that is taken for an id: who asks to remove the user usr_… must not be
// given another one, who signed up under that name.
func checkUsername(field, s string) error {
	if s == "" || len(s) > maxUsername || !onlyOf(s, "._-") {
		return auth.Invalid(field, "%s must be 1 to %d letters, digits or any of . _ -", field, maxUsername)
	}
	if looksLikeUser(s) {
		return auth.Invalid(field, "%s can't begin with %q, as users' ids do", field, auth.PrefixUser)
	}
	return nil
}

// looksLikeUser says whether s could be taken for a user's id, in whatever
// letter case.
func looksLikeUser(s string) bool {
	return len(s) >= len(auth.PrefixUser) && strings.EqualFold(s[:len(auth.PrefixUser)], auth.PrefixUser)
}

// onlyOf says whether s has only ASCII letters, digits and characters of extra.
func onlyOf(s, extra string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(extra, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// checkWord checks a role, a permission or a scope: the characters of a scope
// token (RFC 6749, section 3.3), so that lists of them can stand in one string.
func checkWord(field, s string) error {
	if s == "" || len(s) > maxWord {
		return auth.Invalid(field, "%s must have 1 to %d characters", field, maxWord)
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return auth.Invalid(field, "%s may have printable ASCII characters only, without blanks, quotes and backslashes", field)
		}
	}
	return nil
}

// checkWords checks a list of words, each there once.
func checkWords(field string, list []string) error {
	if err := checkSet(field, list); err != nil {
		return err
	}
	for _, w := range list {
		if err := checkWord(field, w); err != nil {
			return err
		}
	}
	return nil
}

// checkSet checks that a list isn't too long and has nothing twice.
func checkSet(field string, list []string) error {
	if len(list) > maxList {
		return auth.Invalid(field, "%s has more than %d elements", field, maxList)
	}
	seen := make(map[string]bool, len(list))
	for _, w := range list {
		if seen[w] {
			return auth.Invalid(field, "%s has an element twice", field)
		}
		seen[w] = true
	}
	return nil
}

// sorted is list in order, as rows and tokens keep it; never nil.
func sorted(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return out
}

// lost lists what before has and after has not.
func lost(before, after []string) []string {
	return slices.DeleteFunc(slices.Clone(before), func(w string) bool { return slices.Contains(after, w) })
}

// set assigns *value to *dst if value was given.
func set[T any](dst *T, value *T) {
	if value != nil {
		*dst = *value
	}
}
