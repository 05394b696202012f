package jwt

import (
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"slices"

	"github.com/writ-auth/writ/internal/strictjson"
)

// payloadPlan reads a payload once, for two readers: the fields of the claim
// set, and the checks, which look at claims that the set may lack.
type payloadPlan struct {
	fields   []field
	names    *strictjson.Names
	slots    []slot   // by number of the name
	required []string // the bit of a name is its index
}

// maxFields is more than any claim set needs, and few enough for an index.
const maxFields = 1 << 15

// slot is what is to be done with a claim.
type slot struct {
	bit   uint64 // of a required claim, else 0
	field int32  // index into fields, -1 for none
	place uint8  // of that field, see ownClaims
	fact  fact
}

// fact names a claim whose value a check needs.
type fact byte

const (
	noFact fact = iota
	factConfirmation
	factNonce
	factAuthorizedParty
)

// facts are what the checks need to know besides the registered claims.
type facts struct {
	present         uint64 // of required claims; null and "" are not present
	confirmation    bool
	nonce           string
	authorizedParty string

	room listRoom
}

// newPayloadPlan plans to read payloads as type t. With azp,
// that claim has to be a string, whether t has it or not. Fields named in ignore
// are left as they are.
func newPayloadPlan(t reflect.Type, required, ignore []string, azp bool) (*payloadPlan, error) {
	s, _, err := compile(t, reading)
	if err != nil {
		return nil, err
	}
	if len(required) > 64 {
		return nil, errors.New("jwt: too many claims are required")
	}
	if len(s.fields) > maxFields {
		return nil, fmt.Errorf("jwt: %v has more than %d fields", t, maxFields)
	}
	p := &payloadPlan{fields: s.fields, required: required}
	var names []string
	slotOf := func(name string) *slot {
		n := slices.Index(names, name)
		if n < 0 {
			n, names, p.slots = len(names), append(names, name), append(p.slots, slot{field: -1})
		}
		return &p.slots[n]
	}
	for i, name := range required { // the first: of the first 64, it is quickest to tell that they come once
		slotOf(name).bit = 1 << i
	}
	slotOf("cnf").fact = factConfirmation
	slotOf("nonce").fact = factNonce
	if azp {
		slotOf("azp").fact = factAuthorizedParty
	}
	for _, name := range ignore {
		if _, ok := s.byName[name]; !ok {
			return nil, fmt.Errorf("jwt: Expect.Ignore: %v has no field for %q", t, name)
		}
	}
	for i, f := range s.fields {
		if slices.Contains(ignore, f.name) {
			continue
		}
		s := slotOf(f.name)
		s.field, s.place = int32(i), f.place
	}
	p.names = strictjson.NewNames(names...)
	return p, nil
}

// missing names the first required claim that is not present.
func (p *payloadPlan) missing(f *facts) (string, bool) {
	absent := ^f.present & (1<<len(p.required) - 1)
	if absent == 0 {
		return "", false
	}
	return p.required[bits.TrailingZeros64(absent)], true
}

// claimSet is what is read into or written from: a struct, and the fields of it
// that need no reflection.
type claimSet struct {
	value reflect.Value
	own   ownClaims
}

// claimSetOf takes a pointer to a struct that compile has accepted.
func claimSetOf(pointer any) claimSet {
	own, _ := pointer.(ownClaims)
	return claimSet{reflect.ValueOf(pointer).Elem(), own}
}

// place returns a pointer to the field, or nil: then there is only reflection.
func (c *claimSet) place(f *field) any {
	if f.place == 0 || c.own == nil {
		return nil
	}
	return c.own.place(f.place)
}

// read reads the payload, which must be one strict JSON object, into set. A value
// that doesn't fit its field is an error whatever the field: a claim of the
// wrong type is never taken for one that is not there.
func (p *payloadPlan) read(r *strictjson.Reader, payload string, set claimSet, f *facts) error {
	r.Reset(payload)
	if err := r.BeginObject(); err != nil {
		return refuse(ErrMalformed, "", "payload is not a JSON object")
	}
	for {
		n, more, err := r.NextMember(p.names)
		if err == nil && !more {
			err = r.End()
			if err == nil {
				return nil
			}
		}
		if err != nil {
			return malformedPayload(err)
		}
		if n < 0 {
			if err := r.Skip(); err != nil {
				return malformedPayload(err)
			}
			continue
		}
		s := &p.slots[n]
		if err := p.readValue(r, s, &set, f); err != nil {
			return claimError(p.nameOf(s), err)
		}
	}
}

// readValue reads the value of a claim that has a slot.
func (p *payloadPlan) readValue(r *strictjson.Reader, s *slot, set *claimSet, f *facts) (err error) {
	var place any
	if s.place != 0 && s.fact == noFact {
		place = set.own.place(s.place)
	}
	if text, ok := place.(*string); ok { // most claims
		if *text, err = r.ReadString(); *text != "" {
			f.present |= s.bit
		}
		return err
	}
	if s.bit != 0 && !r.NextIsEmpty() {
		f.present |= s.bit
	}
	if known, err := readPlace(r, place, &f.room); known {
		return err
	}
	return p.readOther(r, s, set.value, f)
}

// readOther reads a value that a check needs, or that only reflection can read.
func (p *payloadPlan) readOther(r *strictjson.Reader, s *slot, v reflect.Value, f *facts) error {
	switch s.fact {
	case factConfirmation:
		f.confirmation = true
	case factNonce:
		if r.Kind() == strictjson.String { // else it matches no nonce
			return p.readTwice(r, s, v, &f.nonce)
		}
	case factAuthorizedParty:
		return p.readTwice(r, s, v, &f.authorizedParty)
	}
	if s.field < 0 {
		return r.Skip()
	}
	target := &p.fields[s.field]
	return target.shape.read(r, v.FieldByIndex(target.index))
}

// readTwice reads a string that a check compares, and the same again into the
// claim set, if that has a field of the name.
func (p *payloadPlan) readTwice(r *strictjson.Reader, s *slot, v reflect.Value, into *string) error {
	raw, err := r.RawValue()
	if err != nil {
		return err
	}
	again := strictjson.NewReader(raw)
	if *into, err = again.ReadString(); err != nil || s.field < 0 {
		return err
	}
	again.Reset(raw)
	target := &p.fields[s.field]
	return target.shape.read(again, v.FieldByIndex(target.index))
}

// nameOf is the name as the plan has it, not as the token spells it.
func (p *payloadPlan) nameOf(s *slot) string {
	switch {
	case s.field >= 0:
		return p.fields[s.field].name
	case s.fact == factConfirmation:
		return "cnf"
	case s.fact == factNonce:
		return "nonce"
	case s.fact == factAuthorizedParty:
		return "azp"
	}
	return p.required[bits.TrailingZeros64(s.bit)]
}

// claimError tells a claim that doesn't fit from a payload that isn't JSON.
func claimError(name string, err error) error {
	for _, fits := range []error{strictjson.ErrType, strictjson.ErrRange, errCustom} {
		if errors.Is(err, fits) {
			return refuse(ErrClaim, name, fits.Error())
		}
	}
	return malformedPayload(err)
}

// malformedPayload passes on what the JSON reader says, which never quotes.
func malformedPayload(err error) error {
	return refuse(ErrMalformed, "", "payload: "+err.Error())
}

// readIssuer returns the iss of a payload that nobody has vouched for; "" if that
// is no string.
func readIssuer(payload string) (string, error) {
	value, _, err := strictjson.Member(payload, "iss")
	if err != nil {
		return "", malformedPayload(err)
	}
	issuer, err := strictjson.NewReader(value).ReadString()
	if err != nil {
		return "", nil // no verifier's
	}
	return issuer, nil
}
