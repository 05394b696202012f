package strictjson_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     error // nil: accepted
	}{
		{"object", `{"a":1,"b":[true,false,null,"x",-0.5e-3],"c":{}}`, nil},
		{"white space everywhere", " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n", nil},
		{"scalar", `"x"`, nil},
		{"same name in other objects", `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`, nil},
		{"names that differ in case", `{"exp":1,"EXP":2,"Exp":3}`, nil},
		{"surrogate pair", `"\ud83d\ude00"`, nil},
		{"escaped NUL", `"\u0000"`, nil},
		{"empty name", `{"":1}`, nil},
		{"32 levels", strings.Repeat("[", 32) + strings.Repeat("]", 32), nil},
		{"largest float64", `1.7976931348623157e308`, nil},
		{"underflow is zero", `1e-400`, nil},

		{"nothing", ``, strictjson.ErrSyntax},
		{"white space alone", "  \n", strictjson.ErrSyntax},
		{"two values", `1 2`, strictjson.ErrSyntax},
		{"text after the value", `{}x`, strictjson.ErrSyntax},
		{"NUL after the value", "{}\x00", strictjson.ErrSyntax},
		{"comma after the value", `{},`, strictjson.ErrSyntax},
		{"byte order mark", "\ufeff{}", strictjson.ErrSyntax},
		{"comment", `{}/**/`, strictjson.ErrSyntax},
		{"vertical tab", "\v1", strictjson.ErrSyntax},
		{"no-break space", "\u00a01", strictjson.ErrSyntax},
		{"single quotes", `{'a':1}`, strictjson.ErrSyntax},
		{"trailing comma in object", `{"a":1,}`, strictjson.ErrSyntax},
		{"leading comma in object", `{,"a":1}`, strictjson.ErrSyntax},
		{"trailing comma in array", `[1,]`, strictjson.ErrSyntax},
		{"leading comma in array", `[,1]`, strictjson.ErrSyntax},
		{"no comma", `[1 2]`, strictjson.ErrSyntax},
		{"member without value", `{"a"}`, strictjson.ErrSyntax},
		{"member without value after colon", `{"a":}`, strictjson.ErrSyntax},
		{"number as name", `{1:1}`, strictjson.ErrSyntax},
		{"wrong bracket", `[1}`, strictjson.ErrSyntax},
		{"colon in array", `["a":1]`, strictjson.ErrSyntax},
		{"open object", `{"a":1`, strictjson.ErrSyntax},
		{"open array", `[1`, strictjson.ErrSyntax},
		{"open string", `"abc`, strictjson.ErrSyntax},
		{"string ends in backslash", `"abc\`, strictjson.ErrSyntax},
		{"control character", "\"a\x1fb\"", strictjson.ErrSyntax},
		{"line feed in string", "\"a\nb\"", strictjson.ErrSyntax},
		{"unknown escape", `"\x41"`, strictjson.ErrSyntax},
		{"short hex", `"\u12"`, strictjson.ErrSyntax},
		{"bad hex", `"\u12g4"`, strictjson.ErrSyntax},
		{"lone high surrogate", `"\ud800"`, strictjson.ErrSyntax},
		{"lone low surrogate", `"\udc00"`, strictjson.ErrSyntax},
		{"high surrogate, then text", `"\ud800abcdef"`, strictjson.ErrSyntax},
		{"high surrogate, then a letter's escape", `"\ud800\u0041"`, strictjson.ErrSyntax},
		{"two high surrogates", `"\ud800\ud800"`, strictjson.ErrSyntax},
		{"surrogates in the wrong order", `"\udc00\ud800"`, strictjson.ErrSyntax},
		{"capital literal", `True`, strictjson.ErrSyntax},
		{"cut literal", `nul`, strictjson.ErrSyntax},
		{"long literal", `nulll`, strictjson.ErrSyntax},
		{"NaN", `NaN`, strictjson.ErrSyntax},
		{"Infinity", `-Infinity`, strictjson.ErrSyntax},
		{"plus sign", `+1`, strictjson.ErrSyntax},
		{"leading zero", `01`, strictjson.ErrSyntax},
		{"leading zero after minus", `-01`, strictjson.ErrSyntax},
		{"minus alone", `-`, strictjson.ErrSyntax},
		{"no digit before the point", `.5`, strictjson.ErrSyntax},
		{"no digit after the point", `1.`, strictjson.ErrSyntax},
		{"no digit in the exponent", `1e+`, strictjson.ErrSyntax},
		{"hexadecimal", `0x10`, strictjson.ErrSyntax},
		{"underscore", `1_000`, strictjson.ErrSyntax},

		{"invalid UTF-8 in a string", "\"\xff\"", strictjson.ErrUTF8},
		{"invalid UTF-8 in a name", "{\"\xc3\":1}", strictjson.ErrUTF8},
		{"overlong slash", "\"\xc0\xaf\"", strictjson.ErrUTF8},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", strictjson.ErrUTF8},
		{"UTF-16", "[\x00\"\x00\xe9\x00", strictjson.ErrUTF8},

		{"duplicate name", `{"a":1,"a":1}`, strictjson.ErrDuplicate},
		{"duplicate, deeper", `{"x":[{"a":1,"b":2,"a":3}]}`, strictjson.ErrDuplicate},
		{"duplicate by escape", `{"alg":1,"\u0061lg":2}`, strictjson.ErrDuplicate},
		{"duplicate by escape, other order", `{"\u0061lg":1,"alg":2}`, strictjson.ErrDuplicate},
		{"duplicate by a slash's escape", `{"a/b":1,"a\/b":2}`, strictjson.ErrDuplicate},
		{"duplicate empty name", `{"":1,"":2}`, strictjson.ErrDuplicate},
		{"duplicate after a nested object", `{"a":{"b":1},"b":2,"a":3}`, strictjson.ErrDuplicate},

		{"33 levels", strings.Repeat("[", 33) + strings.Repeat("]", 33), strictjson.ErrDepth},
		{"33 levels of objects", strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), strictjson.ErrDepth},
		{"100,000 brackets", strings.Repeat("[", 100_000), strictjson.ErrDepth},
		{"100,000 objects in arrays", strings.Repeat(`[{"":`, 100_000), strictjson.ErrDepth},

		{"beyond float64", `1e400`, strictjson.ErrRange},
		{"beyond float64, negative, deep", `{"a":[-1e309]}`, strictjson.ErrRange},
		{"beyond float64 without exponent", "1" + strings.Repeat("0", 309), strictjson.ErrRange},
	} {
		if err := strictjson.Check([]byte(tt.in)); !errors.Is(err, tt.want) {
			t.Errorf("%s: Check = %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Names are kept in a short list first, in a map later; neither the limit nor
// the change between objects may hide a duplicate.
func TestDuplicatesAmongMany(t *testing.T) {
	for _, n := range []int{2, 47, 48, 49, 50, 200, 5000} {
		var b strings.Builder
		b.WriteString(`{"x":{"a":1},`)
		for i := range n {
			fmt.Fprintf(&b, `"name%d":{"name%d":%d},`, i, i, i)
		}
		unique := b.String() + `"last":1}`
		if err := strictjson.Check([]byte(unique)); err != nil {
			t.Errorf("%d different names: %v", n, err)
		}
		for _, i := range []int{0, n / 2, n - 1} {
			double := b.String() + fmt.Sprintf(`"name%d":1}`, i)
			if err := strictjson.Check([]byte(double)); !errors.Is(err, strictjson.ErrDuplicate) {
				t.Errorf("name %d of %d twice: %v, want ErrDuplicate", i, n, err)
			}
		}
	}
}

func TestReadMembers(t *testing.T) {
	r := strictjson.NewReader(` {"s":"a\"\u00e9\ud83d\ude00\/\b\f\n\r\t", "n":-12, "b":true, "z":null, "l":[1,[2]], "raw": {"k" : [ 1 ]} } `)
	var names []string
	if err := r.BeginObject(); err != nil {
		t.Fatal(err)
	}
	for {
		name, more, err := r.NextKey()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		names = append(names, name)
		switch name {
		case "s":
			got, err := r.ReadString()
			wantValue(t, name, got, "a\"é😀/\b\f\n\r\t", err)
		case "n":
			got, err := r.ReadNumber()
			wantValue(t, name, got, "-12", err)
		case "b":
			got, err := r.ReadBool()
			wantValue(t, name, got, true, err)
		case "z":
			wantValue(t, name, r.Kind(), strictjson.Null, r.ReadNull())
		case "l":
			wantValue(t, name, r.Kind(), strictjson.Array, r.Skip())
		case "raw":
			got, err := r.RawValue()
			wantValue(t, name, got, `{"k" : [ 1 ]}`, err)
		}
	}
	if err := r.End(); err != nil {
		t.Error(err)
	}
	if got, want := strings.Join(names, " "), "s n b z l raw"; got != want {
		t.Errorf("names %q, want %q", got, want)
	}
}

func wantValue[T comparable](t *testing.T, name string, got, want T, err error) {
	t.Helper()
	if err != nil || got != want {
		t.Errorf("%s: read %v, %v; want %v", name, got, err, want)
	}
}

func TestOtherType(t *testing.T) {
	reads := map[strictjson.Kind]func(r *strictjson.Reader) error{
		strictjson.Null:   (*strictjson.Reader).ReadNull,
		strictjson.Bool:   func(r *strictjson.Reader) error { _, err := r.ReadBool(); return err },
		strictjson.Number: func(r *strictjson.Reader) error { _, err := r.ReadNumber(); return err },
		strictjson.String: func(r *strictjson.Reader) error { _, err := r.ReadString(); return err },
		strictjson.Array:  (*strictjson.Reader).BeginArray,
		strictjson.Object: (*strictjson.Reader).BeginObject,
	}
	for _, text := range []string{`null`, `true`, `1`, `"1"`, `[]`, `{}`} {
		for kind, read := range reads {
			r := strictjson.NewReader(text)
			var want error
			if r.Kind() != kind {
				want = strictjson.ErrType
			}
			if err := read(r); !errors.Is(err, want) {
				t.Errorf("reading %s as %v: %v, want %v", text, kind, err, want)
			}
			if want == nil {
				continue
			}
			// The value is still there for a caller that goes on.
			if err := r.Skip(); err != nil {
				t.Errorf("Skip of %s after ErrType: %v", text, err)
			}
			if err := r.End(); err != nil {
				t.Errorf("End of %s after ErrType: %v", text, err)
			}
		}
	}
}

// A caller that forgets to read a value must not get another meaning.
func TestForgottenValue(t *testing.T) {
	r := strictjson.NewReader(`{"a":"b","c":1}`)
	if err := r.BeginObject(); err != nil {
		t.Fatal(err)
	}
	if name, _, err := r.NextKey(); name != "a" || err != nil {
		t.Fatalf("NextKey = %q, %v", name, err)
	}
	if name, more, err := r.NextKey(); !errors.Is(err, strictjson.ErrSyntax) || more {
		t.Errorf("NextKey instead of a value = %q, %v, %v; want ErrSyntax", name, more, err)
	}
	if err := r.Skip(); !errors.Is(err, strictjson.ErrSyntax) {
		t.Errorf("Skip after a final error: %v, want the same error", err)
	}
	if err := r.End(); !errors.Is(err, strictjson.ErrSyntax) {
		t.Errorf("End after a final error: %v, want the same error", err)
	}
}

func TestOutOfPlace(t *testing.T) {
	r := strictjson.NewReader(`[1]`)
	if _, _, err := r.NextKey(); !errors.Is(err, strictjson.ErrSyntax) {
		t.Errorf("NextKey without an object: %v, want ErrSyntax", err)
	}
	r = strictjson.NewReader(`[1]`)
	if err := r.BeginArray(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.NextKey(); !errors.Is(err, strictjson.ErrSyntax) {
		t.Errorf("NextKey in an array: %v, want ErrSyntax", err)
	}
	r = strictjson.NewReader(`[1]`)
	if err := r.BeginArray(); err != nil {
		t.Fatal(err)
	}
	if err := r.End(); !errors.Is(err, strictjson.ErrSyntax) {
		t.Errorf("End inside an array: %v, want ErrSyntax", err)
	}
	var zero strictjson.Reader
	if err := zero.Skip(); !errors.Is(err, strictjson.ErrSyntax) {
		t.Errorf("Skip of a zero Reader: %v, want ErrSyntax", err)
	}
	if err := new(strictjson.Reader).End(); !errors.Is(err, strictjson.ErrSyntax) {
		t.Errorf("End of a zero Reader: %v, want ErrSyntax", err)
	}
}

// An error shows where, never what: texts hold keys and tokens.
func TestErrorsHideContent(t *testing.T) {
	for _, text := range []string{`{"k":"hunter2"x`, `{"hunter2":1,"hunter2":2}`, `"hunter2`} {
		err := strictjson.Check([]byte(text))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Check(%s) = %v; want an error without the content", text, err)
		}
	}
}

// A Reader that stopped in the middle of one text reads the next like a new one.
func TestReuse(t *testing.T) {
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, `"name%d":[{"a":`, i)
	}
	r := strictjson.NewReader(`{` + many.String())
	if err := r.Skip(); err == nil {
		t.Fatal("a cut text is accepted")
	}
	for range 2 {
		r.Reset(`{"a":1,"name0":[{"a":2}]}`)
		if err := r.Skip(); err != nil {
			t.Errorf("after another text: %v", err)
		}
		if err := r.End(); err != nil {
			t.Errorf("after another text: %v", err)
		}
	}
	r.Reset(`{"a":1,"a":1}`)
	if err := r.Skip(); !errors.Is(err, strictjson.ErrDuplicate) {
		t.Errorf("a duplicate after another text: %v, want ErrDuplicate", err)
	}
	r.Reset("\"\xff\"")
	if err := r.Skip(); !errors.Is(err, strictjson.ErrUTF8) {
		t.Errorf("invalid UTF-8 after another text: %v, want ErrUTF8", err)
	}
}
