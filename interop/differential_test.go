package interop_test

import (
	"encoding/base64"
	"testing"
)

const good = `{"iss":"https://issuer.example","sub":"u1","aud":"https://api.example","exp":1800000900,"iat":1800000000}`

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// The differential tests hold our verifier against three others, under each of
// five algorithms: what we accept they must accept, and read the same, or a row
// of mistakes says why they don't; what all of them accept and we refuse must be
// of a class in strictnesses.

// FuzzToken builds tokens by steps: a header and a payload out of what readers
// are known to disagree about, signed, and then damaged.
func FuzzToken(f *testing.F) {
	f.Add(byte(0), []byte{}, []byte{}, []byte{})
	for alg := range byte(5) {
		f.Add(alg, []byte{2, 2, 34}, []byte{1, 3, 13, 4, 0, 1}, []byte{})
		f.Add(alg, []byte{}, []byte{2, 7, 81}, []byte{0, 9, 3})
		f.Add(alg, []byte{3, 0, 60, 5, 0, 2}, []byte{6, 2, 0}, []byte{11, 5, 0})
	}
	courts := newCourts(f)
	f.Fuzz(func(t *testing.T, alg byte, header, payload, token []byte) {
		c := courts[int(alg)%len(courts)]
		values := jsonValues(string(c.alg))
		signed := c.sign(t, edit(baseHeader(string(c.alg)), headerNames(), values, header), edit(basePayload(), payloadNames(), values, payload))
		c.compare(t, damage(signed, token))
	})
}

// FuzzPayload signs any payload.
func FuzzPayload(f *testing.F) {
	for alg, s := range []string{
		good, `{"iss":"https://issuer.example","aud":["x","https://api.example"],"exp":1.8000009e9,"nbf":1,"iat":1800000030.5}`,
		`{"iss":"https://issuer.example","aud":"https://api.example","exp":1800000900,"EXP":1,"x":{"y":[1e300,"\ud83d\ude00"]}}`,
		`{"iss":"https://issuer.example","aud":"https://api.example","exp":1800000000.000000001}`,
	} {
		f.Add(byte(alg), s)
	}
	courts := newCourts(f)
	f.Fuzz(func(t *testing.T, alg byte, payload string) {
		c := courts[int(alg)%len(courts)]
		c.compare(t, c.sign(t, []byte(`{"alg":"`+string(c.alg)+`"}`), []byte(payload)).String())
	})
}

// FuzzHeader signs any header, under its algorithm where it says ALG.
func FuzzHeader(f *testing.F) {
	for alg, s := range []string{`{"alg":"ALG"}`, `{"typ":"JWT","alg":"ALG","kid":"k","x":[1]}`, `{"ALG":"none","alg":"ALG"}`, `{"\u0061lg":"ALG"}`} {
		f.Add(byte(alg), s)
	}
	courts := newCourts(f)
	f.Fuzz(func(t *testing.T, alg byte, header string) {
		c := courts[int(alg)%len(courts)]
		c.compare(t, c.example(t, header, good).String())
	})
}
