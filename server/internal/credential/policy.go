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
	TooShort Flaw = "too short"
	TooLong  Flaw = "too long"
	NoText   Flaw = "not text"
)

func (f Flaw) Error() string { return string(f) }

// Check is the policy for new passwords: 8 characters to 1,024 bytes of valid
// UTF-8 without NUL, which other systems would end the password at. There are
// no rules about kinds of characters, which make passwords worse (NIST SP
// 800-63B, section 3.1.1.2). The error is CodeInvalid, names field, has a [Flaw]
// as its cause, and never shows the password.
func (h *Hasher) Check(field, password string) error {
	switch {
	case len(password) > MaxPassword:
		return flawed(field, TooLong, "a password has at most %d bytes", MaxPassword)
	case !utf8.ValidString(password):
		return flawed(field, NoText, "a password must be valid UTF-8")
	case strings.Contains(password, "\x00"):
		return flawed(field, NoText, "a password can't contain NUL")
	case utf8.RuneCountInString(password) < MinCharacters:
		return flawed(field, TooShort, "a password has at least %d characters", MinCharacters)
	}
	return nil
}

func flawed(field string, flaw Flaw, format string, args ...any) error {
	e := auth.Invalid(field, format, args...)
	e.Err = flaw
	return e
}
