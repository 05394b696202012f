package edge

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/strictjson"
)

// Object is the JSON object of an answer that is given so often that to look at a
// struct's fields each time would be a good part of it. Its members come in the order
// in which they are added; names are constants of the program and need no escape. The
// zero Object is empty.
type Object struct{ text []byte }

// Text adds a text. What is not UTF-8 in it is replaced, as package json does.
func (o *Object) Text(name, value string) { o.quote(o.name(name), value) }

// TextIf adds a text that isn't empty.
func (o *Object) TextIf(name, value string) {
	if value != "" {
		o.Text(name, value)
	}
}

// Texts adds a list.
func (o *Object) Texts(name string, values []string) {
	dst := append(o.name(name), '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		o.quote(dst, v)
		dst = o.text
	}
	o.text = append(dst, ']')
}

// Int adds a number.
func (o *Object) Int(name string, n int64) { o.text = strconv.AppendInt(o.name(name), n, 10) }

// Bool adds a truth value.
func (o *Object) Bool(name string, b bool) { o.text = strconv.AppendBool(o.name(name), b) }

// Time adds a time as RFC 3339 has it.
func (o *Object) Time(name string, t time.Time) {
	dst := t.AppendFormat(append(o.name(name), '"'), time.RFC3339Nano)
	o.text = append(dst, '"')
}

// Object adds an object, which is o until add returns.
func (o *Object) Object(name string, add func(o *Object)) {
	o.text = append(o.name(name), '{')
	add(o)
	o.text = append(o.text, '}')
}

// Send answers with it.
func (o *Object) Send(w http.ResponseWriter, status int) {
	SendJSON(w, status, append(o.begun(), '}', '\n'))
}

func (o *Object) begun() []byte {
	if o.text == nil {
		o.text = append(make([]byte, 0, usualAnswer), '{')
	}
	return o.text
}

// name is the text with a member begun.
func (o *Object) name(name string) []byte {
	dst := o.begun()
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// quote sets the text to dst and a value. A value ends with no brace, so that one
// that does is where an object begins.
func (o *Object) quote(dst []byte, value string) {
	text, err := strictjson.AppendString(dst, value)
	if err != nil {
		text, _ = strictjson.AppendString(dst, strings.ToValidUTF8(value, "\ufffd"))
	}
	o.text = text
}
