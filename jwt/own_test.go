package jwt

import (
	"reflect"
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
)

type around struct {
	AccessClaims
	Plan string `json:"plan"`
}

type deeper struct {
	First string `json:"first"`
	around
}

// A field that were found under another's number would be another claim.
func TestPlaces(t *testing.T) {
	for _, pointer := range []any{new(Claims), new(AccessClaims), new(IDClaims), new(around), new(deeper)} {
		set := claimSetOf(pointer)
		s, registers, err := compile(set.value.Type(), reading)
		if err != nil {
			t.Fatal(err)
		}
		if core := set.value.FieldByIndex(registers).Addr().Interface(); set.own.core() != core {
			t.Errorf("%T: core is not its Claims", pointer)
		}
		for _, f := range s.fields {
			want := set.value.FieldByIndex(f.index).Addr().Interface()
			switch got := set.place(&f); {
			case got != nil && got != want:
				t.Errorf("%T: the place of %s is another field's", pointer, f.name)
			case got == nil && f.place != 0 && f.shape.op != opPointer:
				t.Errorf("%T: %s is found by reflection alone", pointer, f.name)
			}
		}
	}
}

// A field of a struct within claims has the same type as a claim set's own and
// must not be taken for it.
func TestPlacesAreOfTheSetItself(t *testing.T) {
	type nested struct {
		Claims
		Actor *struct {
			Subject string `json:"sub"`
			Inner   Claims `json:"inner"`
		} `json:"act"`
	}
	var got nested
	plan, err := newPayloadPlan(reflect.TypeFor[nested](), nil, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	payload := `{"sub":"outer","act":{"sub":"actor","inner":{"sub":"inner","iss":"i"}}}`
	if err := plan.read(new(strictjson.Reader), payload, claimSetOf(&got), new(facts)); err != nil {
		t.Fatal(err)
	}
	if got.Subject != "outer" || got.Issuer != "" || got.Actor.Subject != "actor" || got.Actor.Inner.Subject != "inner" || got.Actor.Inner.Issuer != "i" {
		t.Errorf("read %+v, actor %+v", got.Claims, got.Actor)
	}
}
