package lint

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
)

// token is what could be read of a token.
type token struct {
	text      string
	parts     []string
	header    *object // nil if there is none
	payload   *object // nil if there is none, or it is encrypted
	sig       []byte
	sloppy    []string // the parts that are not canonical base64url
	whole     bool     // the JSON serialisation instead of the compact one
	encrypted bool
}

// maxParts bounds the work on a text of nothing but dots.
const maxParts = 6

func parse(text string) *token {
	t := &token{text: text, parts: strings.SplitN(text, ".", maxParts)}
	if strings.HasPrefix(text, "{") {
		t.whole, t.parts = true, nil
		return t
	}
	t.encrypted = len(t.parts) == 5 && len(strings.Fields(text)) == 1 // and not two signed ones
	if len(t.parts) != 2 && len(t.parts) != 3 && !t.encrypted {
		return t
	}
	t.header = readObject(t.decode("header", t.parts[0]))
	if t.encrypted {
		for i, name := range []string{"key", "initialisation vector", "ciphertext", "tag"} {
			t.decode(name, t.parts[i+1])
		}
		return t
	}
	t.payload = readObject(t.decode("payload", t.parts[1]))
	if len(t.parts) == 3 {
		t.sig = t.decode("signature", t.parts[2])
	}
	return t
}

// decode reads any spelling of base64, and notes one that isn't canonical.
func (t *token) decode(name, part string) []byte {
	if data, err := base64url.Decode(part); err == nil {
		return data
	}
	t.sloppy = append(t.sloppy, name)
	plain := strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case r == '=' || unicode.IsSpace(r):
			return -1
		}
		return r
	}, part)
	data, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil {
		return nil
	}
	return data
}

// object is a JSON object, with its members in the order of the text, those of
// one name all of them.
type object struct {
	text    []byte
	strict  error // why a strict reader refuses it
	broken  bool  // not even a lenient reader gets through
	members []member
}

type member struct {
	name string
	raw  json.RawMessage
}

// readObject reads as leniently as encoding/json does. Its answer is never nil.
func readObject(text []byte) *object {
	o := &object{text: text, strict: strictjson.Check(text)}
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		o.broken = true
		return o
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			o.broken = true
			return o
		}
		var m member
		m.name, _ = name.(string)
		if err := dec.Decode(&m.raw); err != nil {
			o.broken = true
			return o
		}
		o.members = append(o.members, m)
	}
	_, err := dec.Token()
	o.broken = err != nil
	return o
}

// get is the last member of a name, which most parsers take; nil if there is
// none.
func (o *object) get(name string) json.RawMessage {
	if o == nil {
		return nil
	}
	for i := len(o.members) - 1; i >= 0; i-- {
		if o.members[i].name == name {
			return o.members[i].raw
		}
	}
	return nil
}

// readable reports whether there is anything to look at.
func (o *object) readable() bool { return o != nil && (!o.broken || len(o.members) > 0) }

func (o *object) has(name string) bool { return o.get(name) != nil }

// string is the member if it is one.
func (o *object) string(name string) (string, bool) { return asString(o.get(name)) }

func asString(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	return s, json.Unmarshal(raw, &s) == nil
}

// date is the member as a NumericDate in seconds; false if it is no number.
func (o *object) date(name string) (float64, bool) {
	raw := o.get(name)
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return f, err == nil
}

// strings is the member as a list: a string is a list of one. false if it is
// something else.
func (o *object) strings(name string) ([]string, bool) {
	raw := o.get(name)
	if s, ok := asString(raw); ok {
		return []string{s}, true
	}
	var elements []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &elements) != nil {
		return nil, false
	}
	list := []string{}
	for _, e := range elements {
		s, ok := asString(e)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// kindOf is what type and claims say that a token is.
func kindOf(t *token) Kind {
	typ := mediaType(t.header)
	switch {
	case typ == "at+jwt":
		return Access
	case strings.HasPrefix(typ, "rt+") || strings.Contains(typ, "refresh"):
		return Refresh
	case strings.HasSuffix(typ, "+jwt"):
		return Other
	}
	use, _ := t.payload.string("token_use") // Amazon Cognito
	if use == "" {
		use, _ = t.payload.string("typ") // Keycloak
	}
	switch strings.ToLower(use) {
	case "refresh", "offline":
		return Refresh
	case "id":
		return ID
	case "access", "bearer":
		return Access
	}
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash"} {
		if t.payload.has(name) {
			return ID
		}
	}
	return Access
}

// mediaType is the type in the header, as RFC 8725 section 3.11 compares it.
func mediaType(header *object) string {
	typ, _ := header.string("typ")
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

// fold is a name without regard to letter case, in the way of encoding/json:
// it too takes U+212A for a k.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}
