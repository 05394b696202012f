package strictjson

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// ReadString reads a string. Without escapes it is a part of the text and costs
// no allocation.
func (r *Reader) ReadString() (string, error) {
	if r.peek() != '"' {
		return "", r.mismatch()
	}
	start := r.pos + 1
	end := plain(r.text, start)
	if end < len(r.text) && r.text[end] == '"' {
		r.pos = end + 1
		return r.text[start:end], nil
	}
	return r.readEscaped(start, end)
}

// plain returns the index of the first byte from i that is a quotation mark, a
// backslash or a control character, which must not stand in a string as it is.
func plain(s string, i int) int {
	for ; len(s)-i >= 8; i += 8 {
		if found := stops(load(s[i : i+8])); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(s) {
		if c := s[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
		i++
	}
	return i
}

// stops looks for such bytes among eight at once. Only the lowest bit of the
// answer counts, which lies in the first of them: in each subtraction a byte's
// top bit becomes set where the byte is too small, and a borrow can disturb only
// the bytes after the first such one.
func stops(x uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^(ones*'"'), x^(ones*'\\')
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (x-ones*' ')&^x) & tops
}

// readEscaped reads the string that begins at start and has its first escape,
// or an error, at end.
func (r *Reader) readEscaped(start, end int) (string, error) {
	buf := make([]byte, 0, end-start+32)
	for {
		buf = append(buf, r.text[start:end]...)
		r.pos = end
		if end == len(r.text) || r.text[end] < ' ' {
			return "", r.syntax()
		}
		if r.text[end] == '"' {
			r.pos++
			return string(buf), nil
		}
		c, ok := r.escape()
		if !ok {
			return "", r.syntax()
		}
		buf = utf8.AppendRune(buf, c)
		start = r.pos
		end = plain(r.text, start)
	}
}

// skipString reads a string for its validity alone.
func (r *Reader) skipString() error {
	for r.pos++; ; {
		r.pos = plain(r.text, r.pos)
		if r.pos == len(r.text) || r.text[r.pos] < ' ' {
			return r.syntax()
		}
		if r.text[r.pos] == '"' {
			r.pos++
			return nil
		}
		if _, ok := r.escape(); !ok {
			return r.syntax()
		}
	}
}

// escape reads one escape sequence, or the two of a surrogate pair. A lone
// surrogate is refused: it has no UTF-8, and replacing it would make different
// names equal.
func (r *Reader) escape() (rune, bool) {
	if r.pos+1 >= len(r.text) {
		return 0, false
	}
	c := r.text[r.pos+1]
	if c == 'u' {
		return r.escapeHex()
	}
	r.pos += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	}
	return 0, false
}

func (r *Reader) escapeHex() (rune, bool) {
	c, ok := r.hex4()
	if !ok || !utf16.IsSurrogate(c) {
		return c, ok
	}
	low, ok := r.hex4()
	if !ok {
		return 0, false
	}
	c = utf16.DecodeRune(c, low)
	return c, c != utf8.RuneError
}

// hex4 reads \uXXXX.
func (r *Reader) hex4() (rune, bool) {
	if len(r.text)-r.pos < 6 || r.text[r.pos] != '\\' || r.text[r.pos+1] != 'u' {
		return 0, false
	}
	var v rune
	for _, c := range []byte(r.text[r.pos+2 : r.pos+6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	r.pos += 6
	return v, true
}

// AppendString appends s as a JSON string with its quotation marks. Only what
// RFC 8259 section 7 demands is escaped. The error is ErrUTF8, with dst as it
// was: replacing what is not UTF-8 would sign something else than was asked.
func AppendString(dst []byte, s string) ([]byte, error) {
	if isPlain(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"'), nil
	}
	if !utf8.ValidString(s) {
		return dst, ErrUTF8
	}
	dst = append(dst, '"')
	for {
		n := plain(s, 0)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"'), nil
		}
		dst = appendEscape(dst, s[n])
		s = s[n+1:]
	}
}

// isPlain reports whether s is of ASCII characters that need no escape, as most
// strings are.
func isPlain(s string) bool {
	const tops = 0x8080808080808080
	var found uint64
	for len(s) >= 8 {
		word := load(s)
		found |= stops(word) | word&tops
		s = s[8:]
	}
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			return false
		}
	}
	return found == 0
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
