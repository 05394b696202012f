// Package strictjson reads JSON the way a security decision needs it: one text,
// one meaning. What two parsers could understand differently is an error here:
// invalid UTF-8, a byte order mark, duplicate member names (compared after
// unescaping), lone surrogates, anything after the value, numbers beyond
// float64, and nesting deeper than MaxDepth. Member names are compared byte for
// byte; encoding/json's folding of letter case would let "EXP" stand for "exp".
//
// A Reader is pulled by its caller, one value at a time, and allocates nothing
// but the strings that have escapes:
//
//	r := strictjson.NewReader(text)
//	err := r.Members(func(name string) (err error) {
//		switch name {
//		case "iss":
//			iss, err = r.ReadString()
//		default:
//			err = r.Skip()
//		}
//		return err
//	})
//	…
//	return r.End()
//
// Where the call for each member counts, BeginObject and NextKey do the same.
// After each true NextKey or NextElement exactly one value must be read; a
// caller that forgets gets a syntax error, never a misread text. Callers bound
// the size of the text themselves.
package strictjson

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how deeply objects and arrays may nest.
const MaxDepth = 32

// The errors of a Reader. All but ErrType and ErrRange are final: whatever is
// read afterwards fails as well.
var (
	ErrSyntax    = errors.New("not strict JSON")
	ErrUTF8      = errors.New("not UTF-8")
	ErrDepth     = errors.New("nested too deeply")
	ErrDuplicate = errors.New("duplicate member name")
	ErrType      = errors.New("value of another type")
	ErrRange     = errors.New("number out of range")
)

// Kind is the type of a value, as its first byte shows it.
type Kind byte

// The kinds of values. Invalid stands for the end of the text and for bytes
// that begin no value.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// String is the kind's name in RFC 8259.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "boolean"
	case Number:
		return "number"
	case String:
		return "string"
	case Array:
		return "array"
	case Object:
		return "object"
	}
	return "invalid"
}

// Reader reads one text. It holds no pointer into itself, so it may live on the
// stack or in a pool. The zero Reader reads the empty text, which is an error.
type Reader struct {
	text  string
	pos   int
	depth int   // open objects and arrays
	nkeys int   // names in use of keys
	err   error // the final error
	open  [MaxDepth]frame
	keys  [maxListed]string // names of the open objects, a stack
}

// NewReader returns a Reader for text; see Reset.
func NewReader(text string) *Reader {
	r := new(Reader)
	r.Reset(text)
	return r
}

// Reset makes r read text from its start. Strings without escapes are returned
// as parts of text. If text is not UTF-8, every following call fails.
func (r *Reader) Reset(text string) {
	// Of open and keys only what is in use is ever read: no need to clear them.
	r.text, r.pos, r.depth, r.nkeys, r.err = text, 0, 0, 0, nil
	if !utf8.ValidString(text) {
		r.fail(ErrUTF8)
	}
}

// Offset is the position of the next byte to be read.
func (r *Reader) Offset() int { return r.pos }

// Check reports whether data is exactly one strict JSON value.
func Check(data []byte) error {
	var r Reader
	r.Reset(string(data))
	if err := r.Skip(); err != nil {
		return err
	}
	return r.End()
}

// End checks that all that was opened is closed and that nothing but white
// space follows.
func (r *Reader) End() error {
	if r.err != nil {
		return r.err
	}
	r.space()
	if r.depth != 0 || r.pos != len(r.text) || r.pos == 0 {
		return r.syntax()
	}
	return nil
}

// fail makes err final: the rest of the text is gone, so that all later reads
// fail without each having to look.
func (r *Reader) fail(err error) error {
	if r.err == nil {
		r.err = err
	}
	r.text, r.pos = "", 0
	return r.err
}

// syntax is the error at the current position. It names the place, never the
// content: the text may hold secrets.
func (r *Reader) syntax() error {
	if r.err != nil {
		return r.err
	}
	return r.fail(fmt.Errorf("%w at byte %d", ErrSyntax, r.pos))
}

// mismatch is the error for a value that is not of the wanted kind.
func (r *Reader) mismatch() error {
	if r.Kind() == Invalid {
		return r.syntax()
	}
	return ErrType
}

// space skips white space (RFC 8259 section 2).
func (r *Reader) space() {
	for r.pos < len(r.text) {
		switch r.text[r.pos] {
		case ' ', '\n', '\t', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek skips white space and returns the next byte, 0 at the end. A NUL in the
// text begins no token, so the two need not be told apart.
func (r *Reader) peek() byte {
	if r.pos < len(r.text) {
		if c := r.text[r.pos]; c > ' ' {
			return c
		}
	}
	r.space()
	if r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

// NextIsEmpty reports whether the next value is null or an empty string, without
// reading it: what follows may yet turn out not to be JSON.
func (r *Reader) NextIsEmpty() bool {
	switch r.peek() {
	case 'n':
		return true
	case '"':
		return r.pos+1 < len(r.text) && r.text[r.pos+1] == '"'
	}
	return false
}

// Kind tells the kind of the next value without reading it.
func (r *Reader) Kind() Kind {
	switch c := r.peek(); c {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return Number
	}
	return Invalid
}

// ReadNull reads null.
func (r *Reader) ReadNull() error {
	if r.peek() != 'n' {
		return r.mismatch()
	}
	return r.literal("null")
}

// ReadBool reads true or false.
func (r *Reader) ReadBool() (bool, error) {
	switch r.peek() {
	case 't':
		return true, r.literal("true")
	case 'f':
		return false, r.literal("false")
	}
	return false, r.mismatch()
}

// literal reads word. What follows it needs no check: only a comma, a bracket
// or the end may, and whoever reads on finds out.
func (r *Reader) literal(word string) error {
	if len(r.text)-r.pos < len(word) || r.text[r.pos:r.pos+len(word)] != word {
		return r.syntax()
	}
	r.pos += len(word)
	return nil
}

// Skip reads the next value, whatever it is, as strictly as if it were used.
func (r *Reader) Skip() error {
	switch r.Kind() {
	case String:
		return r.skipString()
	case Number:
		_, err := r.ReadNumber()
		return err
	case Bool:
		_, err := r.ReadBool()
		return err
	case Null:
		return r.ReadNull()
	case Array:
		return r.skipArray()
	case Object:
		return r.skipObject()
	}
	return r.syntax()
}

// skipArray and skipObject recurse through Skip, at most MaxDepth levels.
func (r *Reader) skipArray() error {
	if err := r.BeginArray(); err != nil {
		return err
	}
	for {
		more, err := r.NextElement()
		if err != nil || !more {
			return err
		}
		if err := r.Skip(); err != nil {
			return err
		}
	}
}

func (r *Reader) skipObject() error {
	if err := r.BeginObject(); err != nil {
		return err
	}
	for {
		_, more, err := r.NextKey()
		if err != nil || !more {
			return err
		}
		if err := r.Skip(); err != nil {
			return err
		}
	}
}

// RawValue reads the next value and returns its text, checked like any other,
// without the white space around it.
func (r *Reader) RawValue() (string, error) {
	r.peek()
	text, start := r.text, r.pos
	if err := r.Skip(); err != nil {
		return "", err
	}
	return text[start:r.pos], nil
}
