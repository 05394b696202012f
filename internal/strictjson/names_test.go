package strictjson_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
)

// members reads an object and lists its members: the name as the index has it,
// or "?", and the value's text.
func members(text string, names ...string) (string, error) {
	var list []string
	r := strictjson.NewReader(text)
	if err := r.BeginObject(); err != nil {
		return "", err
	}
	known := strictjson.NewNames(names...)
	for {
		n, more, err := r.NextMember(known)
		if err != nil {
			return "", err
		}
		if !more {
			return strings.Join(list, " "), r.End()
		}
		name := "?"
		if n >= 0 {
			name = names[n]
		}
		value, err := r.RawValue()
		if err != nil {
			return "", err
		}
		list = append(list, name+"="+value)
	}
}

func TestNextMember(t *testing.T) {
	names := []string{"iss", "client_id", "client_ix", "", "permissions", "7777777", "88888888", "a\x00", "é", "q\""}
	for _, tt := range []struct{ text, want string }{
		{`{}`, ``},
		{` { "iss" : 1 , "iss2" :2, "client_id":3 } `, `iss=1 ?=2 client_id=3`},
		{`{"iss":1,"client_id":2,"client_ix":3,"client_iy":4}`, `iss=1 client_id=2 client_ix=3 ?=4`},
		{`{"":1,"permissions":2,"permission":3,"i":4,"ISS":5}`, `=1 permissions=2 ?=3 ?=4 ?=5`},
		{`{"7777777":1,"88888888":2,"777777":3,"8888888":4,"888888888":5}`, `7777777=1 88888888=2 ?=3 ?=4 ?=5`},
		{`{"a":1,"a\u0000":2,"a\u0000\u0000":3}`, "?=1 a\x00=2 ?=3"},
		{`{"\u0069ss":1}`, `iss=1`},
		{`{"q\"":1,"q\\":2,"é":3}`, `q"=1 ?=2 é=3`},
		{`{"iss":1}`, `iss=1`},
		{`{"a":{"iss":1,"a":2},"iss":3}`, `?={"iss":1,"a":2} iss=3`},
	} {
		if got, err := members(tt.text, names...); err != nil || got != tt.want {
			t.Errorf("%s: read %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestNextMemberRefuses(t *testing.T) {
	for text, want := range map[string]error{
		`{"iss":1,"iss":1}`:             strictjson.ErrDuplicate,
		`{"iss":1,"\u0069ss":1}`:        strictjson.ErrDuplicate,
		`{"\u0069ss":1,"iss":1}`:        strictjson.ErrDuplicate,
		`{"iss":1, "iss" :1}`:           strictjson.ErrDuplicate,
		`{"x":1,"x":1}`:                 strictjson.ErrDuplicate,
		`{"x":1,"\u0078":1}`:            strictjson.ErrDuplicate,
		`{"x":1,"iss":{"x":1},"x":1}`:   strictjson.ErrDuplicate,
		`{"iss":{"iss":1,"iss":2}}`:     strictjson.ErrDuplicate,
		`{"iss":1"aud":2}`:              strictjson.ErrSyntax,
		`{"iss":1"aud":2,"more":123}`:   strictjson.ErrSyntax,
		`{,"iss":1}`:                    strictjson.ErrSyntax,
		`{"iss":1,}`:                    strictjson.ErrSyntax,
		`{"iss":1,,"aud":2,"more":123}`: strictjson.ErrSyntax,
		`{"iss",1,"aud":2,"more":123}`:  strictjson.ErrSyntax,
		`{"is` + "\n" + `":1,"more":2}`: strictjson.ErrSyntax,
		`{"iss":1,"aud`:                 strictjson.ErrSyntax,
		`{"iss":`:                       strictjson.ErrSyntax,
		`{"`:                            strictjson.ErrSyntax,
		`[]`:                            strictjson.ErrType,
	} {
		if got, err := members(text, "iss", "aud"); !errors.Is(err, want) {
			t.Errorf("%s: read %q, %v; want %v", text, got, err, want)
		}
	}
}

// A known name must be found once and only once wherever it stands in the
// index, which says in two ways that it was there.
func TestManyKnownNames(t *testing.T) {
	var names, text []string
	for i := range 300 {
		names = append(names, "n"+strconv.Itoa(i))
		text = append(text, fmt.Sprintf(`"n%d":%d`, i, i))
	}
	object := strings.Join(text, ",")
	got, err := members("{"+object+"}", names...)
	if want := strings.NewReplacer(`"`, "", ":", "=", ",", " ").Replace(object); err != nil || got != want {
		t.Fatalf("read %q, %v", got, err)
	}
	for i, name := range names {
		if _, err := members(fmt.Sprintf(`{%s,"%s":0}`, object, name), names...); !errors.Is(err, strictjson.ErrDuplicate) {
			t.Errorf("name %d twice: %v, want ErrDuplicate", i, err)
		}
	}
}

func TestNextIsEmpty(t *testing.T) {
	for text, want := range map[string]bool{
		`""`: true, ` "" `: true, `null`: true, `" "`: false, `"a"`: false, `0`: false, `[]`: false, `{}`: false,
		`false`: false, `"\u0000"`: false, `"`: false, ``: false,
	} {
		if got := strictjson.NewReader(text).NextIsEmpty(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// FuzzNextMember compares the two ways to read an object.
func FuzzNextMember(f *testing.F) {
	f.Add(`{"iss":"a","aud":["b"],"exp":1,"client_id":"c","x":null}`)
	f.Add(`{"iss":"a","\u0069ss":2}`)
	f.Add(`{ "iss" : 1 , "permissions":{} }`)
	names := []string{"iss", "aud", "exp", "client_id", "permissions", "sevenletters", "seven77", "eight888", ""}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := members(text, names...)
		want, wantErr := plainMembers(text, names)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Fatalf("NextMember reads %q, %v; NextKey %q, %v", got, err, want, wantErr)
		}
		if err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("NextMember says %v, NextKey %v", err, wantErr)
		}
	})
}

// plainMembers is members by NextKey.
func plainMembers(text string, names []string) (string, error) {
	var list []string
	r := strictjson.NewReader(text)
	if err := r.BeginObject(); err != nil {
		return "", err
	}
	for {
		name, more, err := r.NextKey()
		if err != nil {
			return "", err
		}
		if !more {
			return strings.Join(list, " "), r.End()
		}
		shown := "?"
		for _, n := range names {
			if n == name {
				shown = name
			}
		}
		value, err := r.RawValue()
		if err != nil {
			return "", err
		}
		list = append(list, shown+"="+value)
	}
}
