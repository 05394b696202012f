package store

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// PostgreSQL keeps no NUL in a text and nothing that isn't UTF-8, and much of
// what is stored a stranger chose: the name of a browser, the client_id of a
// refused request. To cut such a text would make two names one, and to refuse
// it would refuse the sign-in. So a byte that doesn't fit is stored as one of
// the last 256 code points, which are for private use, and read back as the
// byte; those code points themselves are stored byte by byte likewise. Both
// engines do it, so that a text is found by the same bytes on either.
const (
	firstPrivate = 0x10ff00     // stands for the byte 0
	privateMark  = "\xf4\x8f"   // what each of them begins with
	privateThird = byte('\xbc') // the least third byte
)

// stored is the form of a text in a column.
func stored(s string) string {
	if plainText(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == 0 || r >= firstPrivate || r == utf8.RuneError && size == 1 {
			for i := range size {
				b.WriteRune(firstPrivate + rune(s[i]))
			}
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// plainText says that a text is stored as it is.
func plainText(s string) bool {
	ascii := true
	for i := range len(s) {
		if s[i] == 0 {
			return false
		}
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(s) && !holdsPrivate(s)
}

// holdsPrivate says that one of the last 256 code points is in s.
func holdsPrivate(s string) bool {
	for {
		i := strings.Index(s, privateMark)
		if i < 0 {
			return false
		}
		if len(s) > i+2 && s[i+2] >= privateThird {
			return true
		}
		s = s[i+len(privateMark):]
	}
}

// read is the text that was stored.
func read(s string) string {
	if !holdsPrivate(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r >= firstPrivate {
			b.WriteByte(byte(r - firstPrivate))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// storedArgs makes the columns of texts among a statement's parameters.
func storedArgs(args []any) []any {
	given := true
	for i, arg := range args {
		if s, ok := arg.(string); ok && !plainText(s) {
			if given {
				args, given = slices.Clone(args), false // the caller may come again
			}
			args[i] = stored(s)
		}
	}
	return args
}

// readDest turns the columns that were scanned into texts again; what package
// scan makes of columns has done so itself.
func readDest(dest []any) {
	for _, d := range dest {
		if s, ok := d.(*string); ok && holdsPrivate(*s) {
			*s = read(*s)
		}
	}
}
