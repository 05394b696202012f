package interop_test

import (
	"encoding/base64"
	"math/rand/v2"
	"os"
	"strconv"
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
		c.compare(t, c.build(t, header, payload, token))
	})
}

func (c *court) build(t testing.TB, header, payload, token []byte) string {
	t.Helper()
	values := jsonValues(string(c.alg))
	h, p := edit(baseHeader(string(c.alg)), headerNames(), values, header), edit(basePayload(), payloadNames(), values, payload)
	return damage(c.sign(t, h, p), token)
}

// TestRandomTokens is FuzzToken with the same dice each time, so that every run
// of the tests throws some. INTEROP_TOKENS throws more, and other ones.
func TestRandomTokens(t *testing.T) {
	n, dice := 1500, rand.New(rand.NewPCG(1, 2))
	if more, err := strconv.Atoi(os.Getenv("INTEROP_TOKENS")); err == nil {
		n, dice = more, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	steps := func(most int) []byte {
		b := make([]byte, 3*dice.IntN(most+1))
		for i := range b {
			b[i] = byte(dice.Uint32())
		}
		return b
	}
	courts, accepted := newCourts(t), 0
	for i := range n {
		c := courts[i%len(courts)]
		var header, payload, token []byte
		switch i % 4 {
		case 0:
			header = steps(3)
		case 1:
			payload = steps(4)
		case 2:
			header, payload = steps(2), steps(2)
		case 3:
			header, token = steps(1), steps(2)
		}
		text := c.build(t, header, payload, token)
		c.compare(t, text)
		if _, err := c.ours.Verify(t.Context(), text); err == nil {
			accepted++
		}
	}
	if accepted < n/10 || accepted > n/2 {
		t.Errorf("%d of %d are accepted: the dice are loaded", accepted, n)
	}
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
