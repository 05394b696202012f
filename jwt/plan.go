package jwt

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/writ-auth/writ/internal/strictjson"
)

// A field plan is a claim set's type, looked at once: which name goes where,
// and how. Reading a token by it needs no reflection over types and no maps of
// any, and there is one answer to what each name means.

// operation is how a value is read and written.
type operation byte

const (
	opString operation = iota
	opBool
	opInt
	opUint
	opFloat
	opNumber // json.Number
	opRaw    // json.RawMessage
	opDate
	opAudience
	opScope
	opStrings // []string itself
	opJSON    // its own JSON methods
	opText    // its own text methods
	opSlice
	opMap
	opPointer
	opStruct
)

// shape is the plan of a type.
type shape struct {
	op     operation
	typ    reflect.Type
	elem   *shape  // of a slice, map or pointer
	fields []field // of a struct
	byName map[string]int
}

// field is the plan of a struct's field.
type field struct {
	name      string
	label     string // `"name":`
	index     []int
	place     uint8 // in ownClaims, 0 for none; it holds in a claim set itself, not in structs within
	shape     *shape
	omitEmpty bool
	omitZero  bool
	isZero    bool // it has a method for that
}

// direction tells which methods a type of its own must have.
type direction byte

const (
	reading direction = iota
	writing
)

// planner compiles a type and those it is made of. The table of what it has
// seen makes recursive types (the actor of an actor, RFC 8693) possible.
type planner struct {
	direction direction
	shapes    map[reflect.Type]*shape
	registers [][]int // where claims of the type Claims are embedded
}

// compile returns the plan of a claim set's type and the place of its Claims.
func compile(t reflect.Type, d direction) (*shape, []int, error) {
	if t.Kind() != reflect.Struct {
		return nil, nil, fmt.Errorf("jwt: claims must be a struct, not %v", t)
	}
	if own := ownMethods(t, d); own != "" {
		return nil, nil, fmt.Errorf("jwt: %s of %v would not be called: claims are plain structs", own, t)
	}
	p := &planner{direction: d, shapes: make(map[reflect.Type]*shape)}
	if t == reflect.TypeFor[Claims]() {
		p.registers = [][]int{nil}
	}
	s, err := p.object(t, true)
	if err != nil {
		return nil, nil, fmt.Errorf("jwt: %w", err)
	}
	if len(p.registers) != 1 {
		return nil, nil, fmt.Errorf("jwt: %v does not embed Claims by value", t)
	}
	if !placesMatch(t, s, p.registers[0]) {
		return nil, nil, fmt.Errorf("jwt: %v embeds a second claim set", t)
	}
	return s, p.registers[0], nil
}

// placesMatch reports whether t's Claims and the fields that have a place are
// those that reflection finds. They are not if t embeds another claim set that
// a tag leaves out: its methods may hide those of the one that is read, so that
// the checks would look at claims that are always empty.
func placesMatch(t reflect.Type, s *shape, registers []int) bool {
	pointer := reflect.New(t)
	set := claimSetOf(pointer.Interface())
	if set.own == nil || set.own.core() != pointer.Elem().FieldByIndex(registers).Addr().Interface() {
		return false
	}
	for i := range s.fields {
		f := &s.fields[i]
		place := set.place(f)
		if place != nil && place != pointer.Elem().FieldByIndex(f.index).Addr().Interface() {
			return false
		}
	}
	return true
}

// ownMethods names the method by which t would read or write itself.
func ownMethods(t reflect.Type, d direction) string {
	p := reflect.PointerTo(t)
	switch {
	case d == reading && p.Implements(reflect.TypeFor[json.Unmarshaler]()):
		return "UnmarshalJSON"
	case d == writing && p.Implements(reflect.TypeFor[json.Marshaler]()):
		return "MarshalJSON"
	case d == reading && p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "UnmarshalText"
	case d == writing && p.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return "MarshalText"
	}
	return ""
}

func (p *planner) shape(t reflect.Type) (*shape, error) {
	if s, ok := p.shapes[t]; ok {
		return s, nil
	}
	switch t {
	case reflect.TypeFor[NumericDate]():
		return &shape{op: opDate, typ: t}, nil
	case reflect.TypeFor[Audience]():
		return &shape{op: opAudience, typ: t}, nil
	case reflect.TypeFor[Scope]():
		return &shape{op: opScope, typ: t}, nil
	case reflect.TypeFor[json.Number]():
		return &shape{op: opNumber, typ: t}, nil
	case reflect.TypeFor[json.RawMessage]():
		return &shape{op: opRaw, typ: t}, nil
	case reflect.TypeFor[[]string]():
		return &shape{op: opStrings, typ: t}, nil
	}
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		if s, err := p.custom(t); s != nil || err != nil {
			return s, err
		}
	}
	return p.builtin(t)
}

// custom plans a type that reads and writes itself. A type that can do one of
// the two only is refused in the other direction: the fallback would be another
// form than the one its author meant.
func (p *planner) custom(t reflect.Type) (*shape, error) {
	other := reading + writing - p.direction
	switch method := ownMethods(t, p.direction); method {
	case "UnmarshalJSON", "MarshalJSON":
		return &shape{op: opJSON, typ: t}, nil
	case "UnmarshalText", "MarshalText":
		return &shape{op: opText, typ: t}, nil
	}
	if method := ownMethods(t, other); method != "" {
		return nil, fmt.Errorf("%v has %s, but not its counterpart", t, method)
	}
	return nil, nil
}

func (p *planner) builtin(t reflect.Type) (*shape, error) {
	switch t.Kind() {
	case reflect.String:
		return &shape{op: opString, typ: t}, nil
	case reflect.Bool:
		return &shape{op: opBool, typ: t}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &shape{op: opInt, typ: t}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &shape{op: opUint, typ: t}, nil
	case reflect.Float32, reflect.Float64:
		return &shape{op: opFloat, typ: t}, nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil, fmt.Errorf("%v: bytes have several forms in JSON; use a string or a type with its own methods", t)
		}
		return p.container(t, opSlice)
	case reflect.Map:
		if t.Key().Kind() != reflect.String || ownMethods(t.Key(), p.direction) != "" {
			return nil, fmt.Errorf("%v: the keys of a map must be plain strings", t)
		}
		return p.container(t, opMap)
	case reflect.Pointer:
		if t.Elem().Kind() == reflect.Pointer {
			return nil, fmt.Errorf("%v: a pointer to a pointer says nothing more", t)
		}
		return p.container(t, opPointer)
	case reflect.Struct:
		return p.object(t, false)
	case reflect.Interface:
		return nil, fmt.Errorf("%v: an interface holds whatever the token says; use json.RawMessage", t)
	}
	return nil, fmt.Errorf("%v can't be a claim", t)
}

func (p *planner) container(t reflect.Type, op operation) (*shape, error) {
	s := &shape{op: op, typ: t}
	p.shapes[t] = s
	var err error
	s.elem, err = p.shape(t.Elem())
	return s, err
}

// object plans a struct; top is the claim set itself.
func (p *planner) object(t reflect.Type, top bool) (*shape, error) {
	s := &shape{op: opStruct, typ: t, byName: make(map[string]int)}
	p.shapes[t] = s
	if err := p.addFields(s, t, nil, top); err != nil {
		return nil, err
	}
	if len(s.fields) == 0 {
		return nil, fmt.Errorf("%v has no exported fields", t)
	}
	return s, nil
}

func (p *planner) addFields(s *shape, t reflect.Type, index []int, top bool) error {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		tag, tagged := f.Tag.Lookup("json")
		var err error
		switch {
		case f.Anonymous && !tagged:
			err = p.embed(s, f, at, top)
		case tag == "-", !f.IsExported() && !tagged:
		case !f.IsExported():
			err = errors.New("has a tag but is not exported")
		default:
			err = p.addField(s, t, f, at, tag)
		}
		if err != nil {
			return fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
	}
	return nil
}

// embed adds the fields of an embedded struct as if they were the outer's own.
func (p *planner) embed(s *shape, f reflect.StructField, at []int, top bool) error {
	if f.Type.Kind() != reflect.Struct {
		return fmt.Errorf("%v is embedded; embed structs by value, or give it a name and a tag", f.Type)
	}
	if own := ownMethods(f.Type, p.direction); own != "" {
		return fmt.Errorf("%s of the embedded %v would not be called", own, f.Type)
	}
	if top && f.Type == reflect.TypeFor[Claims]() {
		p.registers = append(p.registers, at)
	}
	return p.addFields(s, f.Type, at, top)
}

func (p *planner) addField(s *shape, t reflect.Type, f reflect.StructField, at []int, tag string) error {
	name, options, _ := strings.Cut(tag, ",")
	if name == "" {
		return errors.New(`no name in a json tag (json:"-" leaves a field out)`)
	}
	if _, twice := s.byName[name]; twice {
		return fmt.Errorf("the name %q comes twice", name)
	}
	label, err := strictjson.AppendString(nil, name)
	if err != nil {
		return errors.New("the name in the tag is not UTF-8")
	}
	plan := field{name: name, label: string(label) + ":", index: at, place: placeOf(t, at[len(at)-1])}
	if err := plan.setOptions(options, f.Type); err != nil {
		return err
	}
	if plan.shape, err = p.shape(f.Type); err != nil {
		return err
	}
	s.byName[name] = len(s.fields)
	s.fields = append(s.fields, plan)
	return nil
}

// placeOf numbers the fields of this package's claim sets for ownClaims.place:
// those of Claims from 1, and behind them those of the struct that embeds it as
// its field 0.
func placeOf(t reflect.Type, i int) uint8 {
	switch t {
	case reflect.TypeFor[Claims]():
		return uint8(i + 1)
	case reflect.TypeFor[AccessClaims](), reflect.TypeFor[IDClaims]():
		return uint8(i + lastOfClaims)
	}
	return 0
}

func (f *field) setOptions(options string, t reflect.Type) error {
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
			f.isZero = t.Kind() != reflect.Pointer && t.Implements(reflect.TypeFor[interface{ IsZero() bool }]())
		default:
			return fmt.Errorf("the option %q of the tag is not known", option)
		}
	}
	return nil
}
