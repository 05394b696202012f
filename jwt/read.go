package jwt

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"

	"github.com/writ-auth/writ/internal/strictjson"
)

// read reads the next value of r into v, which has the shape s. An error that
// isn't one of strictjson's final ones leaves v undefined: a claim is wrong,
// and the token goes with it.
func (s *shape) read(r *strictjson.Reader, v reflect.Value) error {
	if s.op < opJSON {
		return s.readScalar(r, v)
	}
	switch s.op {
	case opJSON, opText:
		return s.readCustom(r, v)
	case opSlice:
		return s.readSlice(r, v)
	case opMap:
		return s.readMap(r, v)
	case opPointer:
		if r.Kind() == strictjson.Null {
			v.SetZero()
			return r.ReadNull()
		}
		v.Set(reflect.New(s.elem.typ))
		return s.elem.read(r, v.Elem())
	}
	return s.readStruct(r, v)
}

func (s *shape) readScalar(r *strictjson.Reader, v reflect.Value) error {
	switch s.op {
	case opString:
		text, err := r.ReadString()
		v.SetString(text)
		return err
	case opBool:
		b, err := r.ReadBool()
		v.SetBool(b)
		return err
	case opRaw:
		raw, err := r.RawValue()
		v.SetBytes([]byte(raw))
		return err
	case opDate, opAudience, opScope, opStrings:
		_, err := readPlace(r, v.Addr().Interface(), nil)
		return err
	}
	text, err := r.ReadNumber()
	if err != nil {
		return err
	}
	return s.setNumber(v, text)
}

// setNumber never rounds what is to be an integer: 1.5 and 2^64 are errors.
func (s *shape) setNumber(v reflect.Value, text string) error {
	switch s.op {
	case opNumber:
		v.SetString(text)
	case opInt:
		n, err := strconv.ParseInt(text, 10, s.typ.Bits())
		if err != nil {
			return strictjson.ErrRange
		}
		v.SetInt(n)
	case opUint:
		n, err := strconv.ParseUint(text, 10, s.typ.Bits())
		if err != nil {
			return strictjson.ErrRange
		}
		v.SetUint(n)
	default:
		n, err := strconv.ParseFloat(text, s.typ.Bits())
		if err != nil {
			return strictjson.ErrRange
		}
		v.SetFloat(n)
	}
	return nil
}

var errCustom = errors.New("refused by its own type")

// readCustom hands a value to the type's own method, as a copy that it may
// keep. What the method says against it may quote the token: it is dropped.
func (s *shape) readCustom(r *strictjson.Reader, v reflect.Value) error {
	if r.Kind() == strictjson.Null {
		return strictjson.ErrType
	}
	var err error
	if s.op == opText {
		text, failed := r.ReadString()
		if failed != nil {
			return failed
		}
		err = v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	} else {
		raw, failed := r.RawValue()
		if failed != nil {
			return failed
		}
		err = v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON([]byte(raw))
	}
	if err != nil {
		return errCustom
	}
	return nil
}

func (s *shape) readSlice(r *strictjson.Reader, v reflect.Value) error {
	if err := r.BeginArray(); err != nil {
		return err
	}
	list := reflect.New(s.typ).Elem()
	for n := 0; ; n++ {
		more, err := r.NextElement()
		if err != nil {
			return err
		}
		if !more {
			exact := reflect.MakeSlice(s.typ, n, n)
			reflect.Copy(exact, list)
			v.Set(exact)
			return nil
		}
		list.Grow(1)
		list.SetLen(n + 1)
		if err := s.elem.read(r, list.Index(n)); err != nil {
			return err
		}
	}
}

func (s *shape) readMap(r *strictjson.Reader, v reflect.Value) error {
	v.Set(reflect.MakeMap(s.typ))
	return r.Members(func(name string) error {
		value := reflect.New(s.elem.typ).Elem()
		if err := s.elem.read(r, value); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name).Convert(s.typ.Key()), value)
		return nil
	})
}

func (s *shape) readStruct(r *strictjson.Reader, v reflect.Value) error {
	return r.Members(func(name string) error {
		i, ok := s.byName[name]
		if !ok {
			return r.Skip()
		}
		f := &s.fields[i]
		return f.shape.read(r, v.FieldByIndex(f.index))
	})
}
