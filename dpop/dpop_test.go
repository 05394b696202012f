package dpop_test

import (
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/jwk"
)

var (
	ctx   = context.Background()
	start = time.Unix(1_800_000_000, 0)
)

func clock() time.Time { return start }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const orders = "https://api.example.com/orders"

var get = dpop.Request{Method: "GET", URL: orders, AccessToken: "token"}

// forge signs whatever is in header and payload.
func forge(t testing.TB, key jwk.SigningKey, header, payload map[string]any) string {
	t.Helper()
	h, p := must[[]byte](t)(json.Marshal(header)), must[[]byte](t)(json.Marshal(payload))
	text := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(p)
	return text + "." + base64.RawURLEncoding.EncodeToString(must[[]byte](t)(key.Sign([]byte(text))))
}

// ath of "token", by hand: printf token | openssl dgst -sha256 -binary | basenc --base64url
const ath = "PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A"

func good(t testing.TB, key *jwk.PrivateKey) (header, payload map[string]any) {
	t.Helper()
	return map[string]any{"typ": "dpop+jwt", "alg": string(key.Algorithm()), "jwk": json.RawMessage(must[[]byte](t)(json.Marshal(key.Public())))},
		map[string]any{"jti": "j1", "htm": "GET", "htu": orders, "iat": start.Unix(), "ath": ath}
}

func TestVerify(t *testing.T) {
	key, other := must[*jwk.PrivateKey](t)(jwk.Generate(jwk.ES256)), must[*jwk.PrivateKey](t)(jwk.Generate(jwk.ES256))
	secret := must[*jwk.Secret](t)(jwk.GenerateSecret(jwk.HS256))
	v := must[*dpop.Verifier](t)(dpop.NewVerifier(dpop.Config{Now: clock}))
	private := json.RawMessage(must[[]byte](t)(key.ExportJWK()))
	octet := json.RawMessage(must[[]byte](t)(secret.ExportJWK()))

	for name, c := range map[string]struct {
		header, payload map[string]any // what to change; nil removes
		key             jwk.SigningKey
		want            string // in the error; "": good
	}{
		"good":                      {},
		"a claim more":              {payload: map[string]any{"x": []int{1}}},
		"no jti":                    {payload: map[string]any{"jti": nil}, want: "jti"},
		"empty jti":                 {payload: map[string]any{"jti": ""}, want: "jti"},
		"long jti":                  {payload: map[string]any{"jti": strings.Repeat("x", 257)}, want: "jti"},
		"jti is a number":           {payload: map[string]any{"jti": 1}, want: "jti"},
		"no htm":                    {payload: map[string]any{"htm": nil}, want: "htm"},
		"another method":            {payload: map[string]any{"htm": "POST"}, want: "htm"},
		"method in small letters":   {payload: map[string]any{"htm": "get"}, want: "htm"},
		"no htu":                    {payload: map[string]any{"htu": nil}, want: "htu"},
		"another path":              {payload: map[string]any{"htu": orders + "/1"}, want: "htu"},
		"another host":              {payload: map[string]any{"htu": "https://evil.example/orders"}, want: "htu"},
		"another scheme":            {payload: map[string]any{"htu": "http://api.example.com/orders"}, want: "htu"},
		"htu with query":            {payload: map[string]any{"htu": orders + "?a=b#c"}},
		"no address":                {payload: map[string]any{"htu": "/orders"}, want: "htu"},
		"a very long address":       {payload: map[string]any{"htu": orders + "?" + strings.Repeat("x", 2048)}, want: "htu"},
		"no iat":                    {payload: map[string]any{"iat": nil}, want: "iat"},
		"a minute old":              {payload: map[string]any{"iat": start.Unix() - 60}},
		"too old":                   {payload: map[string]any{"iat": start.Unix() - 61}, want: "iat"},
		"a minute ahead":            {payload: map[string]any{"iat": start.Unix() + 60}},
		"too far ahead":             {payload: map[string]any{"iat": start.Unix() + 62}, want: "iat"},
		"expired":                   {payload: map[string]any{"exp": start.Unix()}, want: "exp"},
		"no ath":                    {payload: map[string]any{"ath": nil}, want: "ath"},
		"another token's ath":       {payload: map[string]any{"ath": strings.Replace(ath, "P", "Q", 1)}, want: "ath"},
		"a nonce nobody asked":      {payload: map[string]any{"nonce": "x"}},
		"another type":              {header: map[string]any{"typ": "JWT"}, want: "typ"},
		"no type":                   {header: map[string]any{"typ": nil}, want: "typ"},
		"type with application/":    {header: map[string]any{"typ": "application/dpop+jwt"}},
		"alg none":                  {header: map[string]any{"alg": "none"}, want: "alg"},
		"no alg":                    {header: map[string]any{"alg": nil}, want: "alg"},
		"another alg":               {header: map[string]any{"alg": "ES384"}, want: "alg"},
		"HMAC with the public key":  {header: map[string]any{"alg": "HS256"}, key: secret, want: "alg"},
		"a secret in the header":    {header: map[string]any{"alg": "HS256", "jwk": octet}, key: secret, want: "alg"},
		"secret, called asymmetric": {header: map[string]any{"jwk": octet}, key: secret, want: "jwk"},
		"a private key":             {header: map[string]any{"jwk": private}, want: "jwk"},
		"no key":                    {header: map[string]any{"jwk": nil}, want: "jwk"},
		"key is a string":           {header: map[string]any{"jwk": "x"}, want: "jwk"},
		"key and address of a key":  {header: map[string]any{"jku": "https://evil.example"}},
		"signed by another key":     {key: other, want: "signature"},
		"crit":                      {header: map[string]any{"crit": []string{"x"}}, want: "crit"},
	} {
		header, payload := good(t, key)
		change(header, c.header)
		change(payload, c.payload)
		signer := c.key
		if signer == nil {
			signer = key
		}
		p, err := v.Verify(ctx, forge(t, signer, header, payload), get)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want == "" && p.Thumbprint() != key.Public().Thumbprint():
			t.Errorf("%s: thumbprint %q", name, p.Thumbprint())
		case c.want != "" && (p != nil || !errors.Is(err, dpop.ErrProof) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want ErrProof about %q", name, err, c.want)
		}
	}
	for name, text := range map[string]string{"nothing": "", "no token": "x", "much": strings.Repeat("x", 8<<10+1)} {
		if _, err := v.Verify(ctx, text, get); !errors.Is(err, dpop.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := new(dpop.Verifier).Verify(ctx, "x", get); !errors.Is(err, dpop.ErrProof) {
		t.Errorf("the zero Verifier: %v", err)
	}
}

func change(m, with map[string]any) {
	maps.Copy(m, with)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
}

// Every algorithm that is advertised works, also where the key in the header
// doesn't say which it is used with, and a key that says so is held to it.
func TestAlgorithms(t *testing.T) {
	v := must[*dpop.Verifier](t)(dpop.NewVerifier(dpop.Config{Now: clock}))
	for _, alg := range dpop.Algorithms() {
		key := must[*jwk.PrivateKey](t)(jwk.Generate(alg))
		header, payload := good(t, key)
		if _, err := v.Verify(ctx, forge(t, key, header, payload), get); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		var bare map[string]any
		if err := json.Unmarshal(header["jwk"].(json.RawMessage), &bare); err != nil {
			t.Fatal(err)
		}
		delete(bare, "alg")
		header["jwk"] = bare
		p, err := v.Verify(ctx, forge(t, key, header, payload), get)
		if err != nil || p.Thumbprint() != key.Public().Thumbprint() {
			t.Errorf("%s without alg in the key: %v", alg, err)
		}
	}
	rs := must[*jwk.PrivateKey](t)(jwk.Generate(jwk.RS256))
	header, payload := good(t, rs)
	header["alg"] = "PS256"
	if _, err := v.Verify(ctx, forge(t, rs, header, payload), get); !errors.Is(err, dpop.ErrProof) {
		t.Errorf("a key for RS256 under PS256: %v", err)
	}
	n := new(big.Int).Lsh(big.NewInt(1), 4103) // 4104 bits, and odd
	large := must[*jwk.PublicKey](t)(jwk.NewPublicKey(jwk.RS256, &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}))
	header["alg"], header["jwk"] = "RS256", json.RawMessage(must[[]byte](t)(json.Marshal(large)))
	if _, err := v.Verify(ctx, forge(t, rs, header, payload), get); err == nil || !strings.Contains(err.Error(), "4096") {
		t.Errorf("an RSA key of 4104 bits: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	key := must[*jwk.PrivateKey](t)(jwk.Generate(jwk.EdDSA))
	v := must[*dpop.Verifier](t)(dpop.NewVerifier(dpop.Config{Now: clock}))
	for _, c := range []struct {
		htu, request string
		same         bool
	}{
		{"https://a.example", "https://a.example/", true},
		{"HTTPS://A.Example:443/x", "https://a.example/x?q#f", true},
		{"http://a.example:80/x", "http://a.example/x", true},
		{"https://a.example:8443/x", "https://a.example/x", false},
		{"https://a.example:443/x", "http://a.example:443/x", false},
		{"https://a.example/%7euser/%41", "https://a.example/~user/A", true},
		{"https://a.example/a%2fb", "https://a.example/a%2Fb", true},
		{"https://a.example/a%2fb", "https://a.example/a/b", false},
		{"https://a.example/%3f", "https://a.example/?", false},
		{"https://a.example/a/../b/./c", "https://a.example/b/c", true},
		{"https://a.example/a/%2e%2e/b", "https://a.example/b", true},
		{"https://a.example/../..", "https://a.example/", true},
		{"https://a.example/a/.", "https://a.example/a/", true},
		{"https://a.example/a/..", "https://a.example/", true},
		{"https://a.example/a", "https://a.example/a/", false},
		{"https://a.example/a//b", "https://a.example/a/b", false},
		{"https://a.example/A", "https://a.example/a", false},
		{"https://[::1]:443/", "https://[::1]/", true},
		{"https://user@a.example/", "https://a.example/", false},
		{"https://a.example@evil.example/", "https://a.example/", false},
		{"https:a.example/", "https://a.example/", false},
		{"//a.example/", "https://a.example/", false},
		{"ftp://a.example/", "ftp://a.example/", false},
		{"https://a.example/%zz", "https://a.example/%zz", false},
		{"https://a.example/", "a.example/", false},
	} {
		header, payload := good(t, key)
		payload["htu"] = c.htu
		_, err := v.Verify(ctx, forge(t, key, header, payload), dpop.Request{Method: "GET", URL: c.request})
		if (err == nil) != c.same {
			t.Errorf("%s for %s: %v", c.htu, c.request, err)
		}
	}
}

func TestNonces(t *testing.T) {
	now := start
	secrets := [][]byte{[]byte("0123456789abcdef")}
	nonces := func() *dpop.Nonces {
		return must[*dpop.Nonces](t)(dpop.NewNonces(func() [][]byte { return secrets }, func() time.Time { return now }))
	}
	n := nonces()
	key := must[*jwk.PrivateKey](t)(jwk.Generate(jwk.ES256))
	signer := must[*dpop.Signer](t)(dpop.NewSigner(key, func() time.Time { return now }))
	v := must[*dpop.Verifier](t)(dpop.NewVerifier(dpop.Config{Nonces: n, Now: func() time.Time { return now }}))
	try := func(nonce string) error {
		_, err := v.Verify(ctx, must[string](t)(signer.Sign(get, nonce)), get)
		return err
	}
	first := n.Current()
	if other := nonces().Current(); other != first {
		t.Errorf("two servers at one moment give %q and %q", first, other)
	}
	for _, nonce := range []string{"", "x", first[:26] + "A", strings.Repeat("A", 27), first + "A"} {
		if err := try(nonce); !errors.Is(err, dpop.ErrNonce) {
			t.Errorf("nonce %q: %v", nonce, err)
		}
	}
	for _, c := range []struct {
		after time.Duration
		good  bool
	}{{-61 * time.Second, false}, {-time.Second, true}, {0, true}, {4 * time.Minute, true}, {5 * time.Minute, false}} {
		now = start.Add(c.after)
		if err := try(first); (err == nil) != c.good {
			t.Errorf("after %v: %v", c.after, err)
		}
	}
	now = start.Add(time.Minute)
	if n.Current() == first {
		t.Error("a minute later the nonce is the same")
	}
	secrets = [][]byte{[]byte("fedcba9876543210"), secrets[0]}
	if err := try(first); err != nil {
		t.Errorf("under the secret before: %v", err)
	}
	secrets = secrets[:1]
	if err := try(first); !errors.Is(err, dpop.ErrNonce) {
		t.Errorf("under a secret that is gone: %v", err)
	}
	first = n.Current()
	for _, lost := range [][]byte{nil, {}, make([]byte, 15)} {
		secrets = [][]byte{lost}
		forged := base64.RawURLEncoding.EncodeToString(forgedNonce(now, lost))
		if err := try(forged); !errors.Is(err, dpop.ErrNonce) || n.Current() != "" {
			t.Errorf("under a secret of %d bytes: %v, and %q is given out", len(lost), err, n.Current())
		}
		secrets = [][]byte{lost, []byte("fedcba9876543210")}
		if err := try(first); err != nil || n.Current() != first {
			t.Errorf("beside a secret of %d bytes: %v, and %q is given out, want %q", len(lost), err, n.Current(), first)
		}
	}
	for name, f := range map[string]func() [][]byte{"none": nil, "no secret": func() [][]byte { return nil }, "short": func() [][]byte { return [][]byte{make([]byte, 15)} }} {
		if _, err := dpop.NewNonces(f, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// forgedNonce is what anybody can make who knows the secret, as of one that is none.
func forgedNonce(now time.Time, secret []byte) []byte {
	step := binary.BigEndian.AppendUint32(nil, uint32(now.Unix()/60))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("writ dpop nonce v1\x00"))
	mac.Write(step)
	return append(step, mac.Sum(nil)[:16]...)
}

func proofOf(t testing.TB, v *dpop.Verifier, s *dpop.Signer) *dpop.Proof {
	t.Helper()
	return must[*dpop.Proof](t)(v.Verify(ctx, must[string](t)(s.Sign(get, "")), get))
}

func TestMemory(t *testing.T) {
	now := start
	tell := func() time.Time { return now }
	signer := must[*dpop.Signer](t)(dpop.NewSigner(must[*jwk.PrivateKey](t)(jwk.Generate(jwk.ES256)), tell))
	v := must[*dpop.Verifier](t)(dpop.NewVerifier(dpop.Config{Now: tell}))
	m := dpop.NewMemory(3, tell)

	p := proofOf(t, v, signer)
	var wg sync.WaitGroup
	wins := make(chan error, 20)
	for range 20 {
		wg.Go(func() { wins <- m.Use(p) })
	}
	wg.Wait()
	close(wins)
	won := 0
	for err := range wins {
		if err == nil {
			won++
		} else if !errors.Is(err, dpop.ErrReplayed) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of 20 uses won, want 1", won)
	}
	// As long as a proof could be good it is remembered; afterwards there is room.
	for now.Before(p.Forget()) {
		if err := m.Use(p); !errors.Is(err, dpop.ErrReplayed) {
			t.Fatalf("after %v: %v", now.Sub(start), err)
		}
		now = now.Add(7 * time.Second)
	}
	for range 3 {
		if err := m.Use(proofOf(t, v, signer)); err != nil {
			t.Error(err)
		}
	}
	if err := m.Use(proofOf(t, v, signer)); !errors.Is(err, dpop.ErrFull) || m.Len() != 3 {
		t.Errorf("one too many: %v, %d remembered", err, m.Len())
	}
	for range 3 {
		now = now.Add(2 * time.Minute)
		if err := m.Use(proofOf(t, v, signer)); err != nil {
			t.Errorf("later: %v", err)
		}
	}
}

func TestFromHeader(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
		ok    bool
	}{{nil, "", true}, {[]string{"a"}, "a", true}, {[]string{"a", "a"}, "", false}, {[]string{""}, "", false}} {
		h := http.Header{}
		for _, line := range c.lines {
			h.Add("DPoP", line)
		}
		got, err := dpop.FromHeader(h)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%q: %q, %v", c.lines, got, err)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for _, age := range []time.Duration{-1, time.Millisecond, 2 * time.Hour} {
		if _, err := dpop.NewVerifier(dpop.Config{MaxAge: age}); err == nil {
			t.Errorf("MaxAge %v: taken", age)
		}
	}
	if _, err := dpop.NewSigner(nil, nil); err == nil {
		t.Error("a signer without a key")
	}
}

// FuzzVerify: whatever passes is signed by the key it brings, which is public,
// and about the request.
func FuzzVerify(f *testing.F) {
	key := must[*jwk.PrivateKey](f)(jwk.Generate(jwk.ES256))
	header, payload := good(f, key)
	f.Add(forge(f, key, header, payload))
	f.Add("e30.e30.")
	v := must[*dpop.Verifier](f)(dpop.NewVerifier(dpop.Config{Now: clock}))
	f.Fuzz(func(t *testing.T, proof string) {
		p, err := v.Verify(ctx, proof, get)
		if (p == nil) == (err == nil) {
			t.Fatalf("%v, %v", p, err)
		}
		if p != nil && (p.Thumbprint() == "" || p.Thumbprint() != p.Key().Thumbprint()) {
			t.Errorf("thumbprint %q", p.Thumbprint())
		}
	})
}

// FuzzAddress: an address is the same as itself, and comparing goes both ways.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"https://a.example/a/../%41%2f", "http://[::1]:80", "https://a.example/%", "https://A/%2e%2E//."} {
		f.Add(s, strings.ToLower(s))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if there, back := dpop.SameAddress(a, b), dpop.SameAddress(b, a); (there == nil) != (back == nil) {
			t.Errorf("%q and %q: %v, %v", a, b, there, back)
		}
		if dpop.SameAddress(a, b) == nil && dpop.SameAddress(a, a) != nil {
			t.Errorf("%q equals %q and not itself", a, b)
		}
	})
}
