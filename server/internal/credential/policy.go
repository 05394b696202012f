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

// Check is the policy for new passwords: 8 characters to 1,024 bytes of valid
// UTF-8 without NUL, which other systems would end the password at. There are
// no rules about kinds of characters, which make passwords worse (NIST SP
// 800-63B, section 3.1.1.2). The error is CodeInvalid, names field, and never
// shows the password.
func (h *Hasher) Check(field, password string) error {
	switch {
	case len(password) > MaxPassword:
		return auth.Invalid(field, "a password has at most %d bytes", MaxPassword)
	case !utf8.ValidString(password):
		return auth.Invalid(field, "a password must be valid UTF-8")
	case strings.Contains(password, "\x00"):
		return auth.Invalid(field, "a password can't contain NUL")
	case utf8.RuneCountInString(password) < MinCharacters:
		return auth.Invalid(field, "a password has at least %d characters", MinCharacters)
	}
	return nil
}
