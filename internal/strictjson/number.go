package strictjson

import (
	"strconv"
	"strings"
)

// maxSurelyFinite is a count of digits that no float64 overflows at, without an
// exponent.
const maxSurelyFinite = 308

// maxExponent keeps the arithmetic on exponents far from overflow.
const maxExponent = 1 << 24

// ReadNumber reads a number and returns its text, so that nothing is rounded
// before the caller knows what it wants; see Int64, Uint64 and Float64. A number
// whose nearest float64 is infinite (1e400) is ErrRange, and final, wherever it
// stands: other readers of the same text would see infinity or fail.
func (r *Reader) ReadNumber() (string, error) {
	c := r.peek()
	if c != '-' && (c < '0' || c > '9') {
		return "", r.mismatch()
	}
	start := r.pos
	exponent, ok := r.number()
	if !ok {
		return "", r.syntax()
	}
	token := r.text[start:r.pos]
	if exponent || len(token) > maxSurelyFinite {
		if _, err := Float64(token); err != nil {
			return "", r.fail(err)
		}
	}
	return token, nil
}

// ReadDigits reads a number that is plainly written as one to fifteen digits, as
// most are. Otherwise it reads nothing and ok is false: ask ReadNumber.
func (r *Reader) ReadDigits() (n int64, ok bool) {
	if r.peek()-'0' > 9 {
		return 0, false
	}
	i := r.pos
	for i < len(r.text) && r.text[i]-'0' <= 9 {
		n = n*10 + int64(r.text[i]-'0')
		i++
	}
	length := i - r.pos
	if length > 15 || (length > 1 && r.text[r.pos] == '0') || i == len(r.text) {
		return 0, false
	}
	if c := r.text[i]; c != ',' && c != '}' && c != ']' {
		return 0, false
	}
	r.pos = i
	return n, true
}

// number moves over -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (r *Reader) number() (exponent, ok bool) {
	if r.text[r.pos] == '-' {
		r.pos++
	}
	if r.at('0') {
		r.pos++
	} else if !r.digits() {
		return false, false
	}
	if r.at('.') {
		r.pos++
		if !r.digits() {
			return false, false
		}
	}
	if !r.at('e') && !r.at('E') {
		return false, true
	}
	r.pos++
	if r.at('+') || r.at('-') {
		r.pos++
	}
	return true, r.digits()
}

// at reports whether c is the very next byte.
func (r *Reader) at(c byte) bool { return r.pos < len(r.text) && r.text[r.pos] == c }

// digits moves over one digit or more.
func (r *Reader) digits() bool {
	start := r.pos
	for r.pos < len(r.text) && r.text[r.pos]-'0' <= 9 {
		r.pos++
	}
	return r.pos > start
}

// Int64 is the value of a number's text. It never rounds: what is no integer
// (1.5) or does not fit is ErrRange. 1e3 and 1.0 are the integers they denote.
func Int64(token string) (int64, error) {
	whole, ok := integer(token)
	if !ok {
		return 0, ErrRange
	}
	v, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, ErrRange
	}
	return v, nil
}

// Uint64 is like Int64 for what is not negative.
func Uint64(token string) (uint64, error) {
	whole, ok := integer(token)
	if !ok {
		return 0, ErrRange
	}
	if whole == "-0" {
		return 0, nil
	}
	v, err := strconv.ParseUint(whole, 10, 64)
	if err != nil {
		return 0, ErrRange
	}
	return v, nil
}

// Float64 is the nearest float64 to a number's text; ErrRange if that is
// infinite.
func Float64(token string) (float64, error) {
	v, err := strconv.ParseFloat(token, 64)
	if err != nil {
		return 0, ErrRange
	}
	return v, nil
}

// integer returns token without fraction and exponent, if its value has none.
func integer(token string) (string, bool) {
	e := strings.IndexAny(token, ".eE")
	if e < 0 {
		return token, true
	}
	return expand(token)
}

// expand rewrites a number with a fraction or an exponent as plain digits.
func expand(token string) (string, bool) {
	mantissa, exponent := token, 0
	if i := strings.IndexAny(token, "eE"); i >= 0 {
		n, err := strconv.Atoi(token[i+1:])
		if err != nil || n < -maxExponent || n > maxExponent {
			return "", false
		}
		mantissa, exponent = token[:i], n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	fraction = strings.TrimRight(fraction, "0")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	if digits == "" {
		return "0", true
	}
	return scale(sign, digits, exponent)
}

// scale is sign, digits and exponent zeros; at most 20 digits, the most that a
// 64-bit integer has, so that 1e9999 asks for no memory.
func scale(sign, digits string, exponent int) (string, bool) {
	if exponent < 0 {
		kept := strings.TrimRight(digits, "0")
		if len(digits)-len(kept) < -exponent {
			return "", false
		}
		return sign + digits[:len(digits)+exponent], true
	}
	if exponent > 20 || len(digits)+exponent > 20 {
		return "", false
	}
	return sign + digits + strings.Repeat("0", exponent), true
}
