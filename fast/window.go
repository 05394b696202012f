package fast

// A scalar is multiplied by a fixed point window by window: written with digits
// of window bits, each of which is looked up among the multiples of the point
// that belong to its place, and all are added. There is nothing to double.
// Digits are signed, which halves the table, since the negative of a point is
// had for nothing.
const (
	window = 6
	half   = 1 << (window - 1)       // the largest digit, and the length of a row
	rows   = (256 + window) / window // digits of a number below 2²⁵⁶, with the last carry
)

// digits writes a scalar, least significant word first, as the sum of
// digit[i]·2^(window·i), each from -half to half.
func digits(scalar *[4]uint64) (digit [rows]int) {
	carry := 0
	for i := range digit {
		d := bitsAt(scalar, i*window) + carry
		carry = 0
		if d > half {
			d -= 2 * half
			carry = 1
		}
		digit[i] = d
	}
	return digit
}

// bitsAt returns the window bits of scalar from bit on.
func bitsAt(scalar *[4]uint64, bit int) int {
	word, shift := bit/64, bit%64
	v := scalar[word] >> shift
	if shift > 64-window && word < 3 {
		v |= scalar[word+1] << (64 - shift)
	}
	return int(v & (2*half - 1))
}
