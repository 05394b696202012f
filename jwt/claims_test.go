package jwt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwt"
)

func TestNumericDateJSON(t *testing.T) {
	for text, want := range map[string]time.Time{
		`0`: time.Unix(0, 0), `1`: time.Unix(1, 0), `1.5`: time.Unix(1, 500_000_000), `0.1`: time.Unix(0, 100_000_000),
		`1700000000.123456789`: time.Unix(1700000000, 123456789), `1700000000.1234567899`: time.Unix(1700000000, 123456789),
		`1.7e9`: time.Unix(1700000000, 0), `17E8`: time.Unix(1700000000, 0), `1.7000000005e+9`: time.Unix(1700000000, 500_000_000),
		`17000000000e-1`: time.Unix(1700000000, 0), `5e-1`: time.Unix(0, 500_000_000), `5e-9`: time.Unix(0, 5), `5e-10`: time.Unix(0, 0),
		`0e10`: time.Unix(0, 0), `0.00000000017e+19`: time.Unix(1700000000, 0), `253402300799.999999999`: time.Unix(253402300799, 999_999_999),
		`1700000000.` + strings.Repeat("0", 5000): time.Unix(1700000000, 0),
	} {
		var d jwt.NumericDate
		if err := json.Unmarshal([]byte(text), &d); err != nil || !d.Time().Equal(want) {
			t.Errorf("%s is read as %v (%v), want %v", text, d, err, want)
		}
	}
	for _, text := range []string{`-1`, `-0`, `253402300800`, `1e12`, `1700000000000`, `1e400`, `1e65`, `"1"`, `true`, `{}`, `[]`, `1e-65`} {
		var d jwt.NumericDate
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s is read as %v", text, d)
		}
	}
	for _, text := range []string{``, `01`, `1.`, `.5`, `1e`, `1e+`, `+1`, ` 1`, `1 `, `0x1`, `1_0`, `1e1.5`, `1e+-1`, `--1`, `NaN`} {
		if err := new(jwt.NumericDate).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func TestNumericDateWrites(t *testing.T) {
	for want, at := range map[string]time.Time{
		`0`: time.Unix(0, 0), `1`: time.Unix(1, 999_999_999), `253402300799`: time.Unix(253402300799, 5), `null`: {},
	} {
		if got, err := json.Marshal(jwt.NumericDate(at)); err != nil || string(got) != want {
			t.Errorf("%v is written as %s (%v), want %s", at, got, err, want)
		}
	}
	for _, at := range []time.Time{time.Unix(-1, 0), time.Unix(-1, 999_999_999), time.Unix(253402300800, 0)} {
		if got, err := json.Marshal(jwt.NumericDate(at)); err == nil {
			t.Errorf("%v is written as %s", at, got)
		}
	}
	d := jwt.NumericDate(time.Unix(now, 0))
	if got, want := fmt.Sprint(d, jwt.NumericDate{}), "2027-01-15T08:00:00Z none"; got != want {
		t.Errorf("printed as %s, want %s", got, want)
	}
}

func TestListsJSON(t *testing.T) {
	type lists struct {
		A jwt.Audience `json:"a"`
		S jwt.Scope    `json:"s"`
	}
	for text, want := range map[string]lists{
		`{"a":"x","s":"p q"}`:     {jwt.Audience{"x"}, jwt.Scope{"p", "q"}},
		`{"a":["x","y"],"s":"p"}`: {jwt.Audience{"x", "y"}, jwt.Scope{"p"}},
	} {
		var got lists
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %v (%v), want %v", text, got, err, want)
		}
		if back, err := json.Marshal(want); err != nil || string(back) != text {
			t.Errorf("written as %s (%v), want %s", back, err, text)
		}
	}
	for _, text := range []string{`{"a":1}`, `{"a":[1]}`, `{"a":{}}`, `{"s":["x"]}`, `{"s":1}`, `{"a":["\ud800"]}`} {
		if err := json.Unmarshal([]byte(text), new(lists)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
	if !(jwt.Audience{"a", "b"}).Has("b") || (jwt.Audience{"ab"}).Has("a") || jwt.Audience(nil).Has("") {
		t.Error("Audience.Has")
	}
	if !(jwt.Scope{"a", "b"}).Has("b") || (jwt.Scope{"a b"}).Has("a") || jwt.Scope(nil).Has("") {
		t.Error("Scope.Has")
	}
}

// The profiles' claims have the names of their specifications.
func TestClaimNames(t *testing.T) {
	yes := true
	date := jwt.NumericDate(time.Unix(1, 0))
	registered := jwt.Claims{Issuer: "i", Subject: "s", Audience: jwt.Audience{"a"}, Expiry: date, NotBefore: date, IssuedAt: date, ID: "1"}
	access := jwt.AccessClaims{Claims: registered, ClientID: "c", SessionID: "sid", Epochs: []string{"e"}, Scope: jwt.Scope{"x", "y"},
		AuthTime: date, AMR: []string{"pwd"}, ACR: "1", Email: "e", EmailVerified: &yes, Name: "n", PreferredUsername: "p", Org: "o",
		Roles: []string{"r"}, Permissions: []string{"p"}, Confirmation: &jwt.Confirmation{JKT: "t", X5TS256: "x"}}
	id := jwt.IDClaims{Claims: registered, Nonce: "n", AuthorizedParty: "z", SessionID: "sid", AccessTokenHash: "h",
		AuthTime: date, AMR: []string{"pwd"}, ACR: "1", Email: "e", EmailVerified: &yes, Name: "n"}
	key := newSecret(t)
	_, accessJSON := decoded(t, must[string](t)(jwt.Sign(key, access, jwt.SignOptions{})))
	_, idJSON := decoded(t, must[string](t)(jwt.Sign(key, id, jwt.SignOptions{})))
	const common = `{"iss":"i","sub":"s","aud":"a","exp":1,"nbf":1,"iat":1,"jti":"1",`
	for got, want := range map[string]string{
		accessJSON: common + `"client_id":"c","sid":"sid","epochs":["e"],"scope":"x y","auth_time":1,"amr":["pwd"],"acr":"1",` +
			`"email":"e","email_verified":true,"name":"n","preferred_username":"p","org":"o","roles":["r"],"permissions":["p"],"cnf":{"jkt":"t","x5t#S256":"x"}}`,
		idJSON: common + `"nonce":"n","azp":"z","sid":"sid","at_hash":"h","auth_time":1,"amr":["pwd"],"acr":"1","email":"e","email_verified":true,"name":"n"}`,
	} {
		if got != want {
			t.Errorf("written as\n%s\nwant\n%s", got, want)
		}
	}
	for _, claims := range []any{access, id} { // encoding/json agrees
		data, err := json.Marshal(claims)
		if err != nil || (string(data) != accessJSON && string(data) != idJSON) {
			t.Errorf("encoding/json writes %s (%v)", data, err)
		}
	}
}

func TestAs(t *testing.T) {
	type plan struct {
		jwt.Claims
		Plan string `json:"plan"`
	}
	type wrong struct {
		jwt.Claims
		Plan int `json:"plan"`
	}
	type untagged struct {
		jwt.Claims
		Plan string
	}
	key := newSecret(t)
	tok, err := newVerifier(t, key).Verify(context.Background(), forge(t, key, header(key), with("plan", `"pro"`)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := jwt.As[plan](tok)
	if err != nil || got.Plan != "pro" || got.Subject != "u1" {
		t.Errorf("got %+v, %v", got, err)
	}
	bad, err := jwt.As[wrong](tok)
	checkOutcome(t, bad.Subject != "", err, jwt.ErrClaim, "plan")
	if _, err := jwt.As[untagged](tok); err == nil || errors.As(err, new(*jwt.Error)) {
		t.Errorf("got %v, want an error about the type", err)
	}
	if _, err := jwt.AsFunc[untagged, jwt.Claims](); err == nil || errors.As(err, new(*jwt.Error)) {
		t.Errorf("AsFunc: got %v, want an error about the type", err)
	}
}

// What one caller does to its claims, no other sees, nor the token.
func TestAsFuncIsTheCallersOwn(t *testing.T) {
	type limits struct {
		jwt.Claims
		Raw    json.RawMessage  `json:"raw"`
		Names  []string         `json:"names"`
		Groups map[string][]int `json:"groups"`
		Next   *struct {
			Of []string `json:"of"`
		} `json:"next"`
	}
	key := newSecret(t)
	payload := strings.TrimSuffix(good, "}") + `,"raw":[1],"names":["a"],"groups":{"g":[1]},"next":{"of":["n"]}}`
	tok := must[*jwt.Token[jwt.Claims]](t)(newVerifier(t, key).Verify(context.Background(), forge(t, key, header(key), payload)))
	read, err := jwt.AsFunc[limits, jwt.Claims]()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := read(tok)
		if err != nil || c.Subject != "u1" || len(c.Audience) != 1 || c.Audience[0] == "x" ||
			string(c.Raw) != "[1]" || c.Names[0] != "a" || c.Groups["g"][0] != 1 || c.Next.Of[0] != "n" {
			t.Fatalf("got %+v, %v", c, err)
		}
		c.Audience[0], c.Raw[1], c.Names[0], c.Groups["g"][0], c.Next.Of[0] = "x", '2', "x", 2, "x"
		c.Next.Of, c.Groups["h"] = nil, nil
	}
	if _, err := read(nil); err == nil {
		t.Error("no token was read")
	}
}

func TestDecodeUnverified(t *testing.T) {
	u, err := jwt.DecodeUnverified(b64(`{"alg":"none"} `) + "." + b64(` {"iss":"x"}`) + ".")
	if err != nil || string(u.Header()) != `{"alg":"none"} ` || string(u.Payload()) != ` {"iss":"x"}` {
		t.Errorf("got %s, %s, %v", u.Header(), u.Payload(), err)
	}
	u.Payload()[0] = 'x'
	if u.Payload()[0] != ' ' {
		t.Error("Payload is no copy")
	}
	for token, reason := range map[string]error{
		"": jwt.ErrMalformed, "a.b": jwt.ErrMalformed, "...": jwt.ErrMalformed, "$.e30.": jwt.ErrMalformed, "e30.$.": jwt.ErrMalformed, "e30.e30.$": jwt.ErrMalformed,
		"..": jwt.ErrHeader, ".e30.": jwt.ErrHeader, "e30..": jwt.ErrMalformed, "W10.e30.": jwt.ErrHeader, "e30.W10.": jwt.ErrMalformed,
		b64(`{"a":1,"a":1}`) + ".e30.": jwt.ErrHeader, "e30." + b64(`{"a":1,"a":1}`) + ".": jwt.ErrMalformed,
	} {
		u, err := jwt.DecodeUnverified(token)
		checkOutcome(t, u != nil, err, reason, "")
	}
}

// An empty list that is there is not nil, wherever the set is read from.
func TestEmptyLists(t *testing.T) {
	key := newSecret(t)
	v := must[*jwt.Verifier[jwt.AccessClaims]](t)(jwt.NewVerifier[jwt.AccessClaims](key, expect()))
	payload := strings.TrimSuffix(good, "}") + `,"roles":[],"scope":" ","amr":["a","b","c","d","e","f","g","h"],"permissions":["p"]}`
	tok := must[*jwt.Token[jwt.AccessClaims]](t)(v.Verify(context.Background(), forge(t, key, header(key), payload)))
	again := must[jwt.AccessClaims](t)(jwt.As[jwt.AccessClaims](tok))
	for _, c := range []jwt.AccessClaims{tok.Claims(), again} {
		if c.Roles == nil || len(c.Roles) != 0 || c.Scope == nil || len(c.Scope) != 0 {
			t.Errorf("roles %#v and scope %#v, want empty lists", c.Roles, c.Scope)
		}
		if len(c.AMR) != 8 || c.AMR[7] != "h" || len(c.Permissions) != 1 || c.Permissions[0] != "p" || len(c.Audience) != 1 {
			t.Errorf("amr %q, permissions %q, aud %q", c.AMR, c.Permissions, c.Audience)
		}
		for _, list := range [][]string{c.Roles, c.Scope, c.AMR, c.Permissions, c.Audience} {
			if cap(list) != len(list) {
				t.Errorf("%q has spare capacity", list)
			}
		}
	}
}
