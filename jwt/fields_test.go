package jwt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwt"
)

// everything has a field of each kind.
type everything struct {
	jwt.Claims
	embedded
	String  string                 `json:"string,omitzero"`
	Named   named                  `json:"named,omitzero"`
	Bool    bool                   `json:"bool,omitempty"`
	Int     int                    `json:"int,omitzero"`
	Int8    int8                   `json:"int8,omitzero"`
	Int64   int64                  `json:"int64,omitzero"`
	Uint8   uint8                  `json:"uint8,omitzero"`
	Uint64  uint64                 `json:"uint64,omitzero"`
	Float   float64                `json:"float,omitzero"`
	Float32 float32                `json:"float32,omitzero"`
	Number  json.Number            `json:"number,omitzero"`
	Raw     json.RawMessage        `json:"raw,omitzero"`
	Date    jwt.NumericDate        `json:"date"`
	Names   jwt.Audience           `json:"names,omitzero"`
	Scope   jwt.Scope              `json:"scope,omitzero"`
	List    []string               `json:"list,omitzero"`
	Ints    []int                  `json:"ints,omitempty"`
	Points  []point                `json:"points,omitzero"`
	Map     map[string]int         `json:"map,omitempty"`
	Deep    map[named][]*point     `json:"deep,omitzero"`
	Point   point                  `json:"point,omitzero"`
	Pointer *point                 `json:"pointer,omitzero"`
	Flag    *bool                  `json:"flag,omitzero"`
	When    time.Time              `json:"when,omitzero"` // has JSON methods
	Address netip.Addr             `json:"address,omitzero"`
	Hosts   map[string]netip.Addr  `json:"hosts,omitzero"`
	Times   []time.Time            `json:"times,omitzero"`
	Actor   *actor                 `json:"act,omitzero"`
	Odd     map[string]*actor      `json:"x5t#S256,omitzero"`
	Nested  map[string]jwt.Claims  `json:"nested,omitzero"`
	Raws    map[string]rawOrAbsent `json:"raws,omitzero"`
	Ignored any                    `json:"-"`
	hidden  any
}

type embedded struct {
	Inner string `json:"inner,omitzero"`
}

type named string

type rawOrAbsent = json.RawMessage

type point struct {
	X int `json:"x"`
	Y int `json:"y,omitzero"`
}

// actor is RFC 8693's, which contains itself.
type actor struct {
	Subject string `json:"sub"`
	Actor   *actor `json:"act,omitzero"`
}

// readEverything returns what a verifier makes of a claim.
func readEverything(t *testing.T, name, value string) (everything, error) {
	t.Helper()
	key := newSecret(t)
	v := must[*jwt.Verifier[everything]](t)(jwt.NewVerifier[everything](key, expect()))
	tok, err := v.Verify(context.Background(), forge(t, key, header(key), with(name, value)))
	if err != nil {
		checkOutcome(t, tok != nil, err, jwt.ErrClaim, name)
		return everything{}, err
	}
	return tok.Claims(), nil
}

func TestReadFields(t *testing.T) {
	yes := true
	for _, c := range []struct {
		name, value string
		got         func(everything) any
		want        any
	}{
		{"string", `"a\u00e9\n\ud83d\ude00"`, func(e everything) any { return e.String }, "aé\n😀"},
		{"string", `""`, func(e everything) any { return e.String }, ""},
		{"named", `"x"`, func(e everything) any { return e.Named }, named("x")},
		{"inner", `"x"`, func(e everything) any { return e.Inner }, "x"},
		{"bool", `true`, func(e everything) any { return e.Bool }, true},
		{"int", `-2147483648`, func(e everything) any { return e.Int }, -2147483648},
		{"int64", `-9007199254740993`, func(e everything) any { return e.Int64 }, int64(-9007199254740993)},
		{"int8", `-128`, func(e everything) any { return e.Int8 }, int8(-128)},
		{"int64", `9223372036854775807`, func(e everything) any { return e.Int64 }, int64(9223372036854775807)},
		{"uint8", `255`, func(e everything) any { return e.Uint8 }, uint8(255)},
		{"uint64", `18446744073709551615`, func(e everything) any { return e.Uint64 }, uint64(18446744073709551615)},
		{"float", `-1.5e3`, func(e everything) any { return e.Float }, -1500.0},
		{"float32", `0.1`, func(e everything) any { return e.Float32 }, float32(0.1)},
		{"number", `1.10e2`, func(e everything) any { return e.Number }, json.Number("1.10e2")},
		{"raw", ` {"a" : [1]} `, func(e everything) any { return string(e.Raw) }, `{"a" : [1]}`},
		{"raw", `null`, func(e everything) any { return string(e.Raw) }, `null`},
		{"date", `1700000000.25`, func(e everything) any { return e.Date.Time() }, time.Unix(1700000000, 250_000_000).UTC()},
		{"names", `"x"`, func(e everything) any { return e.Names }, jwt.Audience{"x"}},
		{"names", `["x","y"]`, func(e everything) any { return e.Names }, jwt.Audience{"x", "y"}},
		{"scope", `"a b"`, func(e everything) any { return e.Scope }, jwt.Scope{"a", "b"}},
		{"scope", `" a  b "`, func(e everything) any { return e.Scope }, jwt.Scope{"a", "b"}},
		{"scope", `""`, func(e everything) any { return len(e.Scope) }, 0},
		{"list", `["a","b"]`, func(e everything) any { return e.List }, []string{"a", "b"}},
		{"list", `[]`, func(e everything) any { return e.List }, []string{}},
		{"list", `["` + strings.Repeat(`x","`, 40) + `"]`, func(e everything) any { return len(e.List) }, 41},
		{"ints", `[3,1,2]`, func(e everything) any { return e.Ints }, []int{3, 1, 2}},
		{"points", `[{"x":1},{"y":2,"x":3,"z":null},{}]`, func(e everything) any { return e.Points }, []point{{1, 0}, {3, 2}, {}}},
		{"map", `{"a":1,"":2}`, func(e everything) any { return e.Map }, map[string]int{"a": 1, "": 2}},
		{"map", `{}`, func(e everything) any { return e.Map }, map[string]int{}},
		{"deep", `{"a":[{"x":1},null]}`, func(e everything) any { return e.Deep }, map[named][]*point{"a": {{1, 0}, nil}}},
		{"point", `{"X":5,"x":1}`, func(e everything) any { return e.Point }, point{1, 0}},
		{"pointer", `{"x":1}`, func(e everything) any { return e.Pointer }, &point{1, 0}},
		{"pointer", `null`, func(e everything) any { return e.Pointer }, (*point)(nil)},
		{"flag", `true`, func(e everything) any { return e.Flag }, &yes},
		{"when", `"2027-01-15T08:00:00Z"`, func(e everything) any { return e.When.Unix() }, int64(now)},
		{"address", `"192.0.2.1"`, func(e everything) any { return e.Address }, netip.MustParseAddr("192.0.2.1")},
		{"hosts", `{"a":"::1"}`, func(e everything) any { return e.Hosts }, map[string]netip.Addr{"a": netip.IPv6Loopback()}},
		{"act", `{"sub":"a","act":{"sub":"b"}}`, func(e everything) any { return e.Actor }, &actor{"a", &actor{"b", nil}}},
		{"x5t#S256", `{"k":null}`, func(e everything) any { return e.Odd }, map[string]*actor{"k": nil}},
		{"nested", `{"a":{"iss":"i","exp":1}}`, func(e everything) any { return e.Nested["a"].Issuer }, "i"},
		{"raws", `{"a":null,"b":[]}`, func(e everything) any { return fmt.Sprintf("%s", e.Raws) }, "map[a:null b:[]]"},
		{"Ignored", `1`, func(e everything) any { return e.Ignored }, nil},
		{"hidden", `1`, func(e everything) any { return e.hidden }, nil},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			e, err := readEverything(t, c.name, c.value)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.got(e); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
		})
	}
}

// What doesn't fit is an error, never a rounded, cut or absent value.
func TestFieldsRefuse(t *testing.T) {
	wrong := map[string][]string{
		"string":  {`1`, `true`, `null`, `[]`, `{}`},
		"named":   {`1`, `null`},
		"inner":   {`1`, `null`},
		"bool":    {`"true"`, `1`, `0`, `null`},
		"int":     {`"1"`, `1.5`, `1.0`, `1e3`, `9223372036854775808`, `true`, `null`},
		"int8":    {`128`, `-129`, `1e400`},
		"uint8":   {`256`, `-1`, `0.1`},
		"uint64":  {`18446744073709551616`, `-1`},
		"float":   {`"1.5"`, `null`, `1e400`},
		"float32": {`1e39`},
		"number":  {`"1"`, `null`, `true`},
		"date":    {`"1"`, `null`, `-1`, `253402300800`, `[]`},
		"names":   {`1`, `null`, `[1]`, `{}`},
		"scope":   {`["a"]`, `null`, `1`},
		"list":    {`"a"`, `null`, `[1]`, `["a",null]`, `{}`},
		"ints":    {`[1.5]`, `["1"]`, `null`, `[null]`, `{}`, `1`},
		"points":  {`[1]`, `[null]`, `{"x":1}`, `null`},
		"map":     {`[]`, `null`, `{"a":"1"}`, `{"a":null}`, `1`},
		"deep":    {`{"a":[{"x":"1"}]}`, `{"a":null}`},
		"point":   {`[]`, `null`, `{"x":null}`, `{"x":1.5}`, `"x"`},
		"pointer": {`1`, `[]`, `{"x":""}`},
		"flag":    {`"true"`, `1`},
		"when":    {`1`, `null`, `"yesterday"`, `{}`},
		"address": {`1`, `null`, `"example.com"`, `["::1"]`},
		"hosts":   {`{"a":null}`, `{"a":"x"}`},
		"times":   {`["x"]`, `[null]`},
		"act":     {`{"act":{"act":{"sub":1}}}`, `[]`},
		"nested":  {`{"a":{"exp":"x"}}`},
	}
	for name, values := range wrong {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				if _, err := readEverything(t, name, value); err == nil {
					t.Error("accepted")
				}
			})
		}
	}
}

// one is a claim set with a single field of type T.
type one[T any] struct {
	jwt.Claims
	Field T `json:"field"`
}

type (
	noTag struct {
		jwt.Claims
		Plan string
	}
	emptyTag struct {
		jwt.Claims
		Plan string `json:",omitzero"`
	}
	planned struct {
		Plan string `json:"plan"`
	}
	twice struct {
		jwt.Claims
		planned
		Again string `json:"plan"`
	}
	registered struct {
		jwt.Claims
		Exp string `json:"exp"`
	}
	quoted struct {
		jwt.Claims
		N int `json:"n,string"`
	}
	pointed    struct{ *jwt.Claims }
	throughPtr struct{ *inner }
	inner      struct{ jwt.Claims }
	embedsFace struct{ jwt.ClaimSet }
	doubled    struct {
		inner
		Again jwt.Claims `json:"again"`
	}
	embedsTime struct {
		jwt.Claims
		time.Time
	}
	renamed struct {
		jwt.Claims `json:"claims"`
	}
	besides struct {
		jwt.Claims
		jwt.IDClaims `json:"-"`
	}
	accessInner struct{ jwt.AccessClaims }
	hides       struct { // its registered claims are those of IDClaims, which nothing is read into
		accessInner
		jwt.IDClaims `json:"-"`
	}
	outerExp struct {
		jwt.AccessClaims
		Sub string `json:"client_id"`
	}
	reads     struct{ jwt.Claims }
	onlyReads struct {
		A string `json:"a"`
	}
	onlyWrites struct {
		A string `json:"a"`
	}
	loop *loop
)

func (*reads) UnmarshalJSON([]byte) error       { return nil }
func (reads) MarshalJSON() ([]byte, error)      { return nil, nil }
func (*onlyReads) UnmarshalJSON([]byte) error   { return nil }
func (onlyWrites) MarshalJSON() ([]byte, error) { return nil, nil }

// refusesClaims tries to make a verifier and a signer for C.
func refusesClaims[C jwt.ClaimSet](t *testing.T, want string) {
	t.Helper()
	refusesReading[C](t, want)
	refusesWriting[C](t, strings.NewReplacer("UnmarshalJSON", "MarshalJSON").Replace(want))
}

func refusesReading[C jwt.ClaimSet](t *testing.T, want string) {
	t.Helper()
	if v, err := jwt.NewVerifier[C](newSecret(t), expect()); v != nil || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("NewVerifier: got %v, want an error with %q", err, want)
	}
}

func refusesWriting[C jwt.ClaimSet](t *testing.T, want string) {
	t.Helper()
	if s, err := jwt.NewSigner[C](newSecret(t), jwt.SignOptions{}); s != nil || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("NewSigner: got %v, want an error with %q", err, want)
	}
}

func TestClaimSetsAreCheckedAtTheStart(t *testing.T) {
	refusesClaims[noTag](t, "noTag.Plan: no name")
	refusesClaims[emptyTag](t, "emptyTag.Plan: no name")
	refusesClaims[twice](t, `twice.Again: the name "plan" comes twice`)
	refusesClaims[registered](t, `the name "exp" comes twice`)
	refusesClaims[outerExp](t, `the name "client_id" comes twice`)
	refusesClaims[quoted](t, `"string"`)
	refusesClaims[pointed](t, "embed structs by value")
	refusesClaims[throughPtr](t, "embed structs by value")
	refusesClaims[embedsFace](t, "embed structs by value")
	refusesClaims[embedsTime](t, "UnmarshalJSON")
	refusesClaims[renamed](t, "does not embed Claims")
	refusesClaims[besides](t, "a second claim set")
	refusesClaims[hides](t, "a second claim set")
	refusesClaims[reads](t, "UnmarshalJSON")
	refusesClaims[*jwt.Claims](t, "must be a struct")
	refusesClaims[jwt.ClaimSet](t, "must be a struct")
	refusesClaims[one[any]](t, "interface")
	refusesClaims[one[map[string]any]](t, "interface")
	refusesClaims[one[[]any]](t, "interface")
	refusesClaims[one[*any]](t, "interface")
	refusesClaims[one[error]](t, "interface")
	refusesClaims[one[[]byte]](t, "bytes")
	refusesClaims[one[[4]int]](t, "can't be a claim")
	refusesClaims[one[func()]](t, "can't be a claim")
	refusesClaims[one[chan int]](t, "can't be a claim")
	refusesClaims[one[complex128]](t, "can't be a claim")
	refusesClaims[one[uintptr]](t, "can't be a claim")
	refusesClaims[one[map[int]string]](t, "keys of a map")
	refusesClaims[one[struct{}]](t, "no exported fields")
	refusesClaims[one[struct {
		A any `json:"a"`
	}]](t, "interface")
	refusesClaims[one[struct{ A int }]](t, "no name")
	refusesClaims[one[**int]](t, "pointer")
	refusesClaims[one[loop]](t, "pointer")
	refusesWriting[one[onlyReads]](t, "counterpart")
	refusesReading[one[onlyWrites]](t, "counterpart")
	must[*jwt.Verifier[one[onlyReads]]](t)(jwt.NewVerifier[one[onlyReads]](newSecret(t), expect()))
	must[*jwt.Verifier[doubled]](t)(jwt.NewVerifier[doubled](newSecret(t), expect()))
}
