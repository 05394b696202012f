package credential

import (
	"strings"
	"unicode/utf8"

	"github.com/writ-auth/writ/server/internal/auth"
)

// The bounds of a password. A character is a Unicode code point. The upper one
// keeps a body of 64 KiB from becoming a password that every sign-in must hash.
const (
	MinCharacters = 8
	MaxPassword   = 1024 // bytes
)

// Flaw says why a password is not taken. It is the cause of the error of
// [Hasher.Check], for those who say so in another language.
type Flaw string

// The flaws.
const (
	TooShort  Flaw = "too short"
	TooLong   Flaw = "too long"
	NoText    Flaw = "not text"
	Guessable Flaw = "guessable"
)

func (f Flaw) Error() string { return string(f) }

// Check is the policy for new passwords: 8 characters to 1,024 bytes of valid
// UTF-8 without NUL, which other systems would end the password at, and none of
// those that anybody would try first: what is on the list of common passwords or a
// name of the person, in whatever case, or one character again and again. There are
// no rules about
// kinds of characters, which make passwords worse (NIST SP 800-63B, section
// 3.1.1.2). The error is CodeInvalid, names field, has a [Flaw] as its cause, and
// never shows the password.
func (h *Hasher) Check(field, password string, person ...string) error {
	switch {
	case len(password) > MaxPassword:
		return flawed(field, TooLong, "a password has at most %d bytes", MaxPassword)
	case !utf8.ValidString(password):
		return flawed(field, NoText, "a password must be valid UTF-8")
	case strings.Contains(password, "\x00"):
		return flawed(field, NoText, "a password can't contain NUL")
	case utf8.RuneCountInString(password) < MinCharacters:
		return flawed(field, TooShort, "a password has at least %d characters", MinCharacters)
	case common(password) || ownName(password, person) || repeated(password):
		return flawed(field, Guessable, "this password is one of the first that anybody would try")
	}
	return nil
}

func flawed(field string, flaw Flaw, format string, args ...any) error {
	e := auth.Invalid(field, format, args...)
	e.Err = flaw
	return e
}
