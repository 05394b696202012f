package strictjson_test

import (
	"errors"
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
)

func TestMember(t *testing.T) {
	const object = `{"a": 1, "b": {"a": [ 2 ]}, "c": null}`
	for _, c := range []struct {
		object, name string
		value        string
		found        bool
		err          error
	}{
		{object, "a", "1", true, nil},
		{object, "b", `{"a": [ 2 ]}`, true, nil},
		{object, "c", "null", true, nil},
		{object, "A", "", false, nil},
		{`{}`, "a", "", false, nil},
		{`{"\u0061":1}`, "a", "1", true, nil},
		{`{"a":1,"\u0061":2}`, "a", "", false, strictjson.ErrDuplicate},
		{`{"a":1,"b":}`, "a", "", false, strictjson.ErrSyntax},
		{`{"a":1} {}`, "a", "", false, strictjson.ErrSyntax},
		{`{"a":1`, "a", "", false, strictjson.ErrSyntax},
		{`[1]`, "a", "", false, strictjson.ErrType},
		{``, "a", "", false, strictjson.ErrSyntax},
	} {
		value, found, err := strictjson.Member(c.object, c.name)
		if value != c.value || found != c.found || !errors.Is(err, c.err) {
			t.Errorf("Member(%q, %q) = %q, %v, %v; want %q, %v, %v", c.object, c.name, value, found, err, c.value, c.found, c.err)
		}
	}
}

// TestMembersStops: an error of the caller's ends the reading, and is returned
// as it is.
func TestMembersStops(t *testing.T) {
	enough := errors.New("enough")
	r := strictjson.NewReader(`{"a":1,"b":2,"c":3}`)
	var names []string
	err := r.Members(func(name string) error {
		names = append(names, name)
		if name == "b" {
			return enough
		}
		return r.Skip()
	})
	if err != enough || len(names) != 2 {
		t.Errorf("Members called for %q and returned %v; want a and b, and the caller's error", names, err)
	}
}

// TestMembersWithin: the object may be a part of the text.
func TestMembersWithin(t *testing.T) {
	r := strictjson.NewReader(`[{"a":1}, true]`)
	if err := r.BeginArray(); err != nil {
		t.Fatal(err)
	}
	r.NextElement()
	if err := r.Members(func(string) error { return r.Skip() }); err != nil {
		t.Fatal(err)
	}
	if more, err := r.NextElement(); !more || err != nil {
		t.Fatalf("NextElement = %v, %v", more, err)
	}
	if yes, err := r.ReadBool(); !yes || err != nil {
		t.Errorf("ReadBool = %v, %v", yes, err)
	}
}
