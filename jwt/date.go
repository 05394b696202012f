package jwt

import (
	"errors"
	"strconv"
	"time"

	"github.com/writ-auth/writ/internal/strictjson"
)

// NumericDate is a point in time as JWTs write it: seconds since 1970, as a
// JSON number (RFC 7519 section 2). Fractions and exponents are read, to the
// nanosecond; whole seconds are written, rounded down. The zero value means
// that there is no such claim.
//
// Dates before 1970 and after the year 9999 are refused in both directions. So
// a time in milliseconds, which would be a token good for thousands of years,
// is an error and not a date.
type NumericDate time.Time

// maxSeconds is 9999-12-31T23:59:59Z.
const maxSeconds = 253402300799

var errDate = errors.New("jwt: not a number of seconds between 1970 and 9999")

// Time returns the date as a time.Time, in UTC if it was read from a token.
func (d NumericDate) Time() time.Time { return time.Time(d) }

// IsZero reports whether there is no date.
func (d NumericDate) IsZero() bool { return time.Time(d).IsZero() }

// String returns the date in RFC 3339 format, in UTC, or "none".
func (d NumericDate) String() string {
	if d.IsZero() {
		return "none"
	}
	return time.Time(d).UTC().Format(time.RFC3339Nano)
}

// MarshalJSON writes whole seconds; the zero value is null.
func (d NumericDate) MarshalJSON() ([]byte, error) {
	if d.IsZero() {
		return []byte("null"), nil
	}
	return d.appendJSON(nil)
}

func (d NumericDate) appendJSON(dst []byte) ([]byte, error) {
	seconds := time.Time(d).Unix()
	if seconds < 0 || seconds > maxSeconds {
		return nil, errDate
	}
	return strconv.AppendInt(dst, seconds, 10), nil
}

// UnmarshalJSON reads a JSON number. As encoding/json has it, null changes
// nothing; a [Verifier] refuses null.
func (d *NumericDate) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	date, ok := parseDate(string(data))
	if !ok {
		return errDate
	}
	*d = date
	return nil
}

// parseDate reads a JSON number exactly, as decimal digits: a float64 would
// round next to the second on which a token ends.
func parseDate(text string) (NumericDate, bool) {
	n, ok := parseDecimal(text)
	if !ok {
		return NumericDate{}, false
	}
	var seconds, nanos int64
	for i := range max(n.point, 0) {
		if seconds = seconds*10 + n.digit(i); seconds > maxSeconds {
			return NumericDate{}, false
		}
	}
	for i := range 9 {
		nanos = nanos*10 + n.digit(n.point+i)
	}
	return unixDate(seconds, nanos), true
}

func readDate(r *strictjson.Reader) (NumericDate, error) {
	if seconds, ok := r.ReadDigits(); ok { // nearly always
		if seconds > maxSeconds {
			return NumericDate{}, strictjson.ErrRange
		}
		return unixDate(seconds, 0), nil
	}
	text, err := r.ReadNumber()
	if err != nil {
		return NumericDate{}, err
	}
	date, ok := parseDate(text)
	if !ok {
		return NumericDate{}, strictjson.ErrRange
	}
	return date, nil
}

func unixDate(seconds, nanos int64) NumericDate {
	return NumericDate(time.Unix(seconds, nanos).UTC())
}

// decimal is the number 0.d1d2d3… · 10^point, where the digits are those of
// whole followed by those of fraction.
type decimal struct {
	whole, fraction string
	point           int
}

// maxExponent is more than any date needs. It bounds the work that a few bytes
// of exponent can ask for.
const maxExponent = 64

func parseDecimal(text string) (decimal, bool) {
	var n decimal
	rest := text
	n.whole, rest = leadingDigits(rest)
	if n.whole == "" || (len(n.whole) > 1 && n.whole[0] == '0') {
		return n, false // also every negative number
	}
	if rest != "" && rest[0] == '.' {
		if n.fraction, rest = leadingDigits(rest[1:]); n.fraction == "" {
			return n, false
		}
	}
	exponent := 0
	if rest != "" {
		if rest[0] != 'e' && rest[0] != 'E' {
			return n, false
		}
		var err error
		exponent, err = strconv.Atoi(rest[1:])
		if err != nil || exponent < -maxExponent || exponent > maxExponent {
			return n, false
		}
	}
	n.point = len(n.whole) + exponent
	return n, true
}

// digit returns the i-th digit after n's leading point, 0 outside of what was
// written.
func (n decimal) digit(i int) int64 {
	switch {
	case i < 0 || i >= len(n.whole)+len(n.fraction):
		return 0
	case i < len(n.whole):
		return int64(n.whole[i] - '0')
	}
	return int64(n.fraction[i-len(n.whole)] - '0')
}

func leadingDigits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}
