package edge

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/server/internal/auth"
)

// decoder fills Go values from one strict JSON text. encoding/json alone won't
// do: it takes "EMAIL" for "email", the last of two duplicates, and a null for
// nothing at all, and its errors repeat what was sent.
type decoder struct {
	text string
	r    strictjson.Reader // not by a pointer: it is large, and lives on the stack so
}

// decodeObject reads text into dst, a pointer to a struct.
func decodeObject(text string, dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("edge: a body is read into a pointer to a struct, not %T", dst)
	}
	d := decoder{text: text}
	d.r.Reset(text)
	if err := d.object(v.Elem(), ""); err != nil {
		return err
	}
	return d.fault("", d.r.End())
}

// value reads the next value into v, which path names.
func (d *decoder) value(v reflect.Value, path string) error {
	if v.Type() == reflect.TypeFor[string]() {
		return d.plainText(v, path)
	}
	if decodesItself(v) {
		return d.leaf(v, path)
	}
	if d.r.Kind() == strictjson.Null {
		return isNull(path)
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		v.Set(p)
		return d.value(p.Elem(), path)
	case reflect.Struct:
		return d.object(v, path)
	case reflect.Slice:
		return d.array(v, path)
	case reflect.Map:
		return d.members(v, path)
	}
	return d.leaf(v, path)
}

// decodesItself reports whether v's type has its own idea of JSON (as
// json.RawMessage has, and any takes what comes), including of null.
func decodesItself(v reflect.Value) bool {
	if v.Kind() == reflect.Interface {
		return true
	}
	switch v.Addr().Interface().(type) {
	case json.Unmarshaler, encoding.TextUnmarshaler:
		return true
	}
	return false
}

// plainText reads a string, as most values are.
func (d *decoder) plainText(v reflect.Value, path string) error {
	if d.r.Kind() == strictjson.Null {
		return isNull(path)
	}
	s, err := d.r.ReadString()
	if errors.Is(err, strictjson.ErrType) {
		return auth.Invalid(path, "%s must be %s", path, wanted(v.Type()))
	}
	v.SetString(s)
	return d.fault(path, err)
}

func isNull(path string) error {
	return auth.Invalid(path, "%s is null; leave it out instead", path)
}

// leaf reads a value that has no members of ours.
func (d *decoder) leaf(v reflect.Value, path string) error {
	raw, err := d.r.RawValue()
	if err != nil {
		return d.fault(path, err)
	}
	if json.Unmarshal([]byte(raw), v.Addr().Interface()) != nil { // its text would repeat the value
		return auth.Invalid(path, "%s must be %s", path, wanted(v.Type()))
	}
	return nil
}

func (d *decoder) object(v reflect.Value, path string) error {
	if err := d.r.BeginObject(); err != nil {
		return d.wrongType(path, err, "an object")
	}
	fields := fieldsOf(v.Type())
	return d.each(path, func(name, at string) error {
		for _, f := range fields {
			if f.name == name {
				return d.value(v.FieldByIndex(f.index), at)
			}
		}
		return unknownMember(fields, name, at)
	})
}

// members reads an object whose names are data.
func (d *decoder) members(v reflect.Value, path string) error {
	if err := d.r.BeginObject(); err != nil {
		return d.wrongType(path, err, "an object")
	}
	v.Set(reflect.MakeMap(v.Type()))
	return d.each(path, func(name, at string) error {
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(elem, at); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), elem)
		return nil
	})
}

// each calls read for every member of the object that was begun.
func (d *decoder) each(path string, read func(name, at string) error) error {
	for {
		before := d.r.Offset()
		name, more, err := d.r.NextKey()
		if errors.Is(err, strictjson.ErrDuplicate) {
			at := join(path, d.nameAfter(before))
			return auth.Invalid(at, "%s is there twice", at)
		}
		if err != nil {
			return d.fault(path, err)
		}
		if !more {
			return nil
		}
		if err := read(name, join(path, name)); err != nil {
			return err
		}
	}
}

func (d *decoder) array(v reflect.Value, path string) error {
	if err := d.r.BeginArray(); err != nil {
		return d.wrongType(path, err, "an array")
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for {
		more, err := d.r.NextElement()
		if err != nil {
			return d.fault(path, err)
		}
		if !more {
			return nil
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(elem, fmt.Sprintf("%s[%d]", path, v.Len())); err != nil {
			return err
		}
		v.Set(reflect.Append(v, elem))
	}
}

// nameAfter is the member name that follows an offset: the reader doesn't say
// which name it has seen twice.
func (d *decoder) nameAfter(offset int) string {
	name, err := strictjson.NewReader(strings.TrimLeft(d.text[offset:], " \t\r\n,")).ReadString()
	if err != nil {
		return ""
	}
	return name
}

// fault is the error of a text that isn't strict JSON. The reader's errors name
// a place, never the content.
func (d *decoder) fault(path string, err error) error {
	if err == nil {
		return nil
	}
	return auth.Invalid(path, "the body is not valid JSON: %v", err)
}

func (d *decoder) wrongType(path string, err error, want string) error {
	if !errors.Is(err, strictjson.ErrType) {
		return d.fault(path, err)
	}
	if path == "" {
		path = "the body"
		return auth.Errorf(auth.CodeInvalid, "%s must be %s", path, want)
	}
	return auth.Invalid(path, "%s must be %s", path, want)
}

// member is a field of a struct: its JSON name, and where it is.
type member struct {
	name  string
	index []int
}

// fieldsOf lists the fields of a struct that can be read.
func fieldsOf(t reflect.Type) []member {
	fields := make([]member, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			return promotedOf(t)
		}
		fields = appendField(fields, f)
	}
	return fields
}

// promotedOf is fieldsOf for a struct with others embedded.
func promotedOf(t reflect.Type) (fields []member) {
	for _, f := range reflect.VisibleFields(t) {
		fields = appendField(fields, f)
	}
	return fields
}

func appendField(fields []member, f reflect.StructField) []member {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if !f.IsExported() || name == "-" || (f.Anonymous && name == "") {
		return fields
	}
	if name == "" {
		name = f.Name
	}
	return append(fields, member{name, f.Index})
}

func unknownMember(fields []member, name, at string) error {
	for _, known := range fields {
		if strings.EqualFold(known.name, name) {
			return auth.Invalid(at, "%s is unknown; the name is %q", at, known.name)
		}
	}
	return auth.Invalid(at, "%s is unknown", at)
}

// join names a member of the value at path. A name comes from the client, so
// only so much of it is repeated.
func join(path, name string) string {
	const most = 64
	if len(name) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + "…"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// wanted says in words what a Go type takes.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number in range"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number in range, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number in range"
	}
	return "of another type"
}
