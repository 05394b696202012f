package jwt

import (
	"encoding"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/writ-auth/writ/internal/strictjson"
)

// writer appends JSON by a field plan. Its zero value is ready.
type writer struct {
	buf   []byte
	depth int
	// foreign is set when a part is not of this package's making: then the
	// whole is checked before it is signed, for its depth.
	foreign bool
}

var (
	errDepth    = errors.New("nested too deeply")
	errMarshal  = errors.New("its own method failed")
	errInfinite = errors.New("not a finite number")
	errNumber   = errors.New("not a JSON number")
)

// write appends v, which has the shape s.
func (w *writer) write(s *shape, v reflect.Value) (err error) {
	switch s.op {
	case opString:
		w.buf, err = strictjson.AppendString(w.buf, v.String())
	case opBool:
		w.buf = strconv.AppendBool(w.buf, v.Bool())
	case opInt:
		w.buf = strconv.AppendInt(w.buf, v.Int(), 10)
	case opUint:
		w.buf = strconv.AppendUint(w.buf, v.Uint(), 10)
	case opFloat:
		err = w.float(v.Float(), s.typ.Bits())
	case opNumber:
		err = w.number(v.String())
	case opDate, opAudience, opScope, opStrings:
		err = w.own(addressable(v).Addr().Interface())
	case opRaw:
		err = w.raw(v.Bytes())
	case opJSON, opText:
		err = w.custom(v)
	default:
		if w.depth++; w.depth > strictjson.MaxDepth {
			return errDepth // also a pointer that leads back to itself
		}
		err = w.container(s, v)
		w.depth--
	}
	return err
}

func (w *writer) container(s *shape, v reflect.Value) error {
	switch s.op {
	case opSlice:
		return w.slice(s, v)
	case opMap:
		return w.object(s, v)
	case opPointer:
		if v.IsNil() {
			w.buf = append(w.buf, "null"...)
			return nil
		}
		return w.write(s.elem, v.Elem())
	}
	w.buf = append(w.buf, '{')
	if _, err := w.fields(s.fields, claimSet{value: v}); err != nil {
		return err
	}
	w.buf = append(w.buf, '}')
	return nil
}

// fields appends the members of a struct. An error comes with the name of the
// field that caused it.
func (w *writer) fields(fields []field, set claimSet) (name string, err error) {
	start := len(w.buf)
	for i := range fields {
		f := &fields[i]
		var place any
		var value reflect.Value
		if f.omitZero {
			place = set.place(f)
		}
		if place == nil {
			value = set.value.FieldByIndex(f.index)
		}
		if place != nil && isZero(place) || place == nil && f.omits(value) {
			continue
		}
		if len(w.buf) > start {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(w.buf, f.label...)
		if place != nil {
			err = w.own(place)
		} else {
			err = w.write(f.shape, value)
		}
		if err != nil {
			return f.name, err
		}
	}
	return "", nil
}

// isZero takes what ownClaims.place returns.
func isZero(place any) bool {
	switch p := place.(type) {
	case *string:
		return *p == ""
	case *NumericDate:
		return p.IsZero()
	case *Audience:
		return *p == nil
	case *Scope:
		return *p == nil
	case *[]string:
		return *p == nil
	}
	return false
}

// omits reports whether a field is left out. A date that is zero is not there,
// whatever its tag says.
func (f *field) omits(v reflect.Value) bool {
	switch {
	case f.shape.op == opDate:
		return addressable(v).Addr().Interface().(*NumericDate).IsZero()
	case f.omitZero && f.isZero:
		return v.Interface().(interface{ IsZero() bool }).IsZero()
	case f.omitZero && v.IsZero():
		return true
	}
	return f.omitEmpty && isEmpty(v)
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// own writes the types of this package, and strings. They come as pointers, which an
// interface holds without a copy.
func (w *writer) own(value any) (err error) {
	switch value := value.(type) {
	case *string:
		w.buf, err = strictjson.AppendString(w.buf, *value)
	case *NumericDate:
		w.buf, err = value.appendJSON(w.buf)
	case *Audience:
		w.buf, err = value.appendJSON(w.buf)
	case *Scope:
		w.buf, err = value.appendJSON(w.buf)
	case *[]string:
		w.buf, err = appendStrings(w.buf, *value)
	}
	return err
}

func (w *writer) float(f float64, bits int) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errInfinite
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	w.buf = strconv.AppendFloat(w.buf, f, format, -1, bits)
	return nil
}

func (w *writer) number(text string) error {
	r := strictjson.NewReader(text)
	number, err := r.ReadNumber()
	if err != nil || r.End() != nil {
		return errNumber
	}
	w.buf = append(w.buf, number...)
	return nil
}

// raw checks a text by itself, for something like 1,"exp":2 would fit into an
// object and add to it.
func (w *writer) raw(value []byte) error {
	w.foreign = true
	if len(value) == 0 {
		value = []byte("null")
	}
	w.buf = append(w.buf, value...)
	return strictjson.Check(value)
}

// addressable copies v where it has no address: a value of a map.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v
	}
	copied := reflect.New(v.Type()).Elem()
	copied.Set(v)
	return copied
}

// custom calls the method of v or of a pointer to it.
func (w *writer) custom(v reflect.Value) error {
	switch value := addressable(v).Addr().Interface().(type) {
	case json.Marshaler:
		text, err := value.MarshalJSON()
		if err != nil {
			return errors.Join(errMarshal, err)
		}
		return w.raw(text)
	case encoding.TextMarshaler:
		text, err := value.MarshalText()
		if err != nil {
			return errors.Join(errMarshal, err)
		}
		w.buf, err = strictjson.AppendString(w.buf, string(text))
		return err
	}
	return errMarshal
}

// slice writes a nil slice as [], for null is not a list.
func (w *writer) slice(s *shape, v reflect.Value) error {
	w.buf = append(w.buf, '[')
	for i := range v.Len() {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		if err := w.write(s.elem, v.Index(i)); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, ']')
	return nil
}

// object writes a map in the order of its keys, so that one value has one text.
func (w *writer) object(s *shape, v reflect.Value) error {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	w.buf = append(w.buf, '{')
	for i, key := range keys {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		var err error
		if w.buf, err = strictjson.AppendString(w.buf, key.String()); err != nil {
			return err
		}
		w.buf = append(w.buf, ':')
		if err := w.write(s.elem, v.MapIndex(key)); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, '}')
	return nil
}
