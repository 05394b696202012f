package strictjson_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
)

// FuzzReader compares with encoding/json: what the strict reader accepts, the
// lax one must accept too, with the same value.
func FuzzReader(f *testing.F) {
	files, err := filepath.Glob("testdata/jsontestsuite/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"iss":"https://a.example","aud":["x","y"],"exp":1700000000,"n":1.5e3,"\u0061":"\ud83d\ude00"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := strictjson.NewReader(string(data))
		got, err := readAny(r)
		if err == nil {
			err = r.End()
		}
		if checked := strictjson.Check(data); (checked == nil) != (err == nil) {
			t.Fatalf("Check: %v; read value by value: %v", checked, err)
		}
		if err != nil {
			return
		}
		var want any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("accepted, but encoding/json says: %v", err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read %#v, encoding/json reads %#v", got, want)
		}
	})
}

func readAny(r *strictjson.Reader) (any, error) {
	switch r.Kind() {
	case strictjson.String:
		return r.ReadString()
	case strictjson.Number:
		token, err := r.ReadNumber()
		if err != nil {
			return nil, err
		}
		return strictjson.Float64(token)
	case strictjson.Bool:
		return r.ReadBool()
	case strictjson.Null:
		return nil, r.ReadNull()
	case strictjson.Array:
		return readArray(r)
	case strictjson.Object:
		return readObject(r)
	}
	return nil, r.Skip()
}

func readArray(r *strictjson.Reader) (any, error) {
	list := []any{}
	if err := r.BeginArray(); err != nil {
		return nil, err
	}
	for {
		more, err := r.NextElement()
		if err != nil || !more {
			return list, err
		}
		v, err := readAny(r)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
}

func readObject(r *strictjson.Reader) (any, error) {
	object := map[string]any{}
	if err := r.BeginObject(); err != nil {
		return nil, err
	}
	for {
		name, more, err := r.NextKey()
		if err != nil || !more {
			return object, err
		}
		v, err := readAny(r)
		if err != nil {
			return nil, err
		}
		object[name] = v
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x00é\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		text, err := strictjson.AppendString(nil, s)
		if err != nil {
			return
		}
		back, err := strictjson.NewReader(string(text)).ReadString()
		if err != nil || back != s {
			t.Fatalf("%q was written as %s and read as %q, %v", s, text, back, err)
		}
		var std string
		if err := json.Unmarshal(text, &std); err != nil || std != s {
			t.Fatalf("%q was written as %s, which encoding/json reads as %q, %v", s, text, std, err)
		}
	})
}
