package jwt

import (
	"errors"
	"slices"
	"strings"

	"github.com/writ-auth/writ/internal/strictjson"
)

// Audience is the aud claim: whom the token is for. It is read from a string
// or an array of strings and written as a string when there is just one, as
// RFC 7519 section 4.1.3 has it.
type Audience []string

// Has reports whether name is one of the audience, byte for byte.
func (a Audience) Has(name string) bool { return slices.Contains(a, name) }

// MarshalJSON writes a string for one member, else an array.
func (a Audience) MarshalJSON() ([]byte, error) { return a.appendJSON(nil) }

// UnmarshalJSON reads a string or an array of strings. As encoding/json has
// it, null changes nothing; a [Verifier] refuses null.
func (a *Audience) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	r := strictjson.NewReader(string(data))
	names, err := readAudience(r, nil)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return errors.New("jwt: aud is neither a string nor an array of strings")
	}
	*a = names
	return nil
}

func (a Audience) appendJSON(dst []byte) ([]byte, error) {
	if len(a) == 1 {
		return strictjson.AppendString(dst, a[0])
	}
	return appendStrings(dst, a)
}

func readAudience(r *strictjson.Reader, room *listRoom) (Audience, error) {
	if r.Kind() != strictjson.String {
		return readStrings(r, room)
	}
	name, err := r.ReadString()
	if err != nil {
		return nil, err
	}
	list := room.take(1)
	list[0] = name
	return list, nil
}

// Scope is the scope claim: what the token lets its bearer do. In JSON it is
// one string with spaces between the names (RFC 8693 section 4.2).
type Scope []string

// Has reports whether name is one of the scopes, byte for byte.
func (s Scope) Has(name string) bool { return slices.Contains(s, name) }

// String returns the names with a space between them, as JSON and the scope
// parameter of OAuth have them.
func (s Scope) String() string { return strings.Join(s, " ") }

// MarshalJSON writes one string. It is an error if a name is empty or has a
// space in it: it would be read as other scopes than were meant.
func (s Scope) MarshalJSON() ([]byte, error) { return s.appendJSON(nil) }

// UnmarshalJSON reads one string. As encoding/json has it, null changes
// nothing; a [Verifier] refuses null.
func (s *Scope) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	r := strictjson.NewReader(string(data))
	names, err := readScope(r, nil)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return errors.New("jwt: scope is not a string")
	}
	*s = names
	return nil
}

func (s Scope) appendJSON(dst []byte) ([]byte, error) {
	for _, name := range s {
		if name == "" || strings.Contains(name, " ") {
			return nil, errors.New("a scope is empty or has a space in it")
		}
	}
	dst = append(dst, '"', '"')
	for i, name := range s {
		dst = dst[:len(dst)-1] // without the quotation mark that ended the last
		if i > 0 {
			dst = append(dst, ' ')
		}
		before := len(dst)
		var err error
		if dst, err = strictjson.AppendString(dst, name); err != nil {
			return nil, err
		}
		dst = append(dst[:before], dst[before+1:]...) // without the one that begins this
	}
	return dst, nil
}

func readScope(r *strictjson.Reader, room *listRoom) (Scope, error) {
	text, err := r.ReadString()
	if err != nil || text == "" {
		return nil, err
	}
	var few [maxFew]string
	names := room.begin(few[:0])
	for text != "" {
		name := text
		if i := strings.IndexByte(text, ' '); i >= 0 {
			name, text = text[:i], text[i+1:]
		} else {
			text = ""
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return room.end(names), nil
}

// listRoom is room for the members of short lists, which lies in the Token that
// the lists belong to. Without, and when it is used up, lists are allocated.
type listRoom []string

// take returns a list of n members that has no spare capacity.
func (l *listRoom) take(n int) []string {
	if l == nil || n == 0 || n > len(*l) {
		return make([]string, n)
	}
	list := (*l)[:n:n]
	*l = (*l)[n:]
	return list
}

// maxFew is more than most lists have: collected in a few such, they cost one
// allocation, or none where there is a room.
const maxFew = 16

// begin returns an empty list to append to: all the room that is left, or few
// when there is none.
func (l *listRoom) begin(few []string) []string {
	if l == nil || len(*l) == 0 {
		return few
	}
	return (*l)[:0]
}

// end returns what was appended to a list of begin, without spare capacity.
func (l *listRoom) end(list []string) []string {
	if l != nil && len(*l) > 0 && cap(list) == len(*l) { // where append has left it
		return l.take(len(list))
	}
	out := make([]string, len(list))
	copy(out, list)
	return out
}

// readStrings reads an array of strings into a slice without spare capacity.
func readStrings(r *strictjson.Reader, room *listRoom) ([]string, error) {
	if err := r.BeginArray(); err != nil {
		return nil, err
	}
	var few [maxFew]string
	list := room.begin(few[:0])
	for {
		more, err := r.NextElement()
		if err != nil {
			return nil, err
		}
		if !more {
			return room.end(list), nil
		}
		s, err := r.ReadString()
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
}

func appendStrings(dst []byte, list []string) ([]byte, error) {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = strictjson.AppendString(dst, s); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}
