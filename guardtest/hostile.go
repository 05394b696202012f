package guardtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// Hostile is a token that a guard must refuse, and what is wrong with it.
type Hostile struct{ Name, Token string }

// Hostile returns tokens for an audience that a guard must refuse: forged,
// damaged, of another kind, of another time, for others, or written so that two
// readers could understand them differently. Those with a fault in header or
// claims are signed by the issuer's own key.
func (i *Issuer) Hostile(audience string) []Hostile {
	i.t.Helper()
	f := newForge(i, audience)
	f.algorithms()
	f.confusions()
	f.signatures()
	f.keys()
	f.headers()
	f.kinds()
	f.times()
	f.names()
	f.json()
	f.encodings()
	f.sizes()
	slices.SortFunc(f.list, func(a, b Hostile) int { return strings.Compare(a.Name, b.Name) })
	return f.list
}

func newForge(i *Issuer, audience string) *forge {
	i.t.Helper()
	f := &forge{i: i, good: i.Token(audience, jwt.AccessClaims{}), audience: audience, stranger: i.newKey(jwk.ES256)}
	f.header = members{"typ": "at+jwt", "alg": "ES256", "kid": i.KeyID()}
	decoded, err := jwt.DecodeUnverified(f.good)
	if err == nil {
		err = json.Unmarshal(decoded.Payload(), &f.claims)
	}
	if err != nil {
		i.t.Fatalf("guardtest: %v", err)
	}
	return f
}

// members are those of a JSON object.
type members map[string]any

// with returns a copy with one member set, or left out if the value is nil.
func (m members) with(name string, value any) members {
	m = maps.Clone(m)
	if m[name] = value; value == nil {
		delete(m, name)
	}
	return m
}

// forge makes hostile tokens out of a good one.
type forge struct {
	i              *Issuer
	good           string
	audience       string
	header, claims members // of the good one
	stranger       *jwk.PrivateKey
	list           []Hostile
}

func (f *forge) add(name, token string) { f.list = append(f.list, Hostile{name, token}) }

func (f *forge) text(m members) string {
	text, err := json.Marshal(m)
	if err != nil {
		f.i.t.Fatalf("guardtest: %v", err)
	}
	return string(text)
}

// input is what is signed.
func input(header, payload string) string {
	return base64url.Encode([]byte(header)) + "." + base64url.Encode([]byte(payload))
}

// sign signs texts as they are.
func (f *forge) sign(key *jwk.PrivateKey, header, payload string) string {
	signed := input(header, payload)
	signature, err := key.Sign([]byte(signed))
	if err != nil {
		f.i.t.Fatalf("guardtest: %v", err)
	}
	return signed + "." + base64url.Encode(signature)
}

// addHeader adds a token with good claims under a header, signed by the issuer.
func (f *forge) addHeader(name, header string) {
	f.add(name, f.sign(f.i.key(), header, f.text(f.claims)))
}

// addClaims adds a token with a good header over a payload, signed by the
// issuer.
func (f *forge) addClaims(name, payload string) {
	f.add(name, f.sign(f.i.key(), f.text(f.header), payload))
}

// algorithms: the header says that there is nothing to verify.
func (f *forge) algorithms() {
	signature := f.good[strings.LastIndexByte(f.good, '.')+1:]
	for _, alg := range []any{"none", "None", "NONE", "nOnE", "none ", "", true, 0, []string{"none"}} {
		token := input(f.text(f.header.with("alg", alg)), f.text(f.claims)) + "."
		f.add(fmt.Sprintf("alg %#v without signature", alg), token)
		f.add(fmt.Sprintf("alg %#v with a signature", alg), token+signature)
	}
	without := strings.Replace(f.text(f.header.with("alg", "?")), `"alg":"?"`, `"alg":null`, 1)
	f.add("alg null", input(without, f.text(f.claims))+"."+signature)
	f.add("no alg", input(f.text(f.header.with("alg", nil)), f.text(f.claims))+"."+signature)
	f.addHeader("alg in lower case", f.text(f.header.with("alg", "es256")))
	f.addHeader("alg of another curve", f.text(f.header.with("alg", "ES384")))
	f.addHeader("alg RS256", f.text(f.header.with("alg", "RS256")))
}

// confusions: the public key, in every form it is published in, as an HMAC
// secret.
func (f *forge) confusions() {
	pub := f.i.key().Public()
	der, err := x509.MarshalPKIXPublicKey(pub.CryptoKey())
	if err != nil {
		f.i.t.Fatalf("guardtest: %v", err)
	}
	text, err := json.Marshal(pub)
	if err != nil {
		f.i.t.Fatalf("guardtest: %v", err)
	}
	pemText := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for name, secret := range map[string]string{
		"PEM": string(pemText), "PEM without line end": strings.TrimSpace(string(pemText)),
		"PEM with CRLF": strings.ReplaceAll(string(pemText), "\n", "\r\n"),
		"DER":           string(der), "JWK": string(text), "curve point": string(der[len(der)-65:]), "nothing": "",
	} {
		f.add("HS256 with the public key as "+name, f.hmac(secret, f.header.with("alg", "HS256")))
		f.add("HS256, no kid, with the public key as "+name, f.hmac(secret, f.header.with("alg", "HS256").with("kid", nil)))
	}
	f.add("HS256 with the kid of an empty file", f.hmac("", f.header.with("alg", "HS256").with("kid", "../../../../dev/null")))
}

func (f *forge) hmac(secret string, header members) string {
	signed := input(f.text(header), f.text(f.claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + base64url.Encode(mac.Sum(nil))
}

// signatures: good texts under a signature that isn't theirs.
func (f *forge) signatures() {
	parts := strings.Split(f.good, ".")
	head, payload, signature := parts[0], parts[1], parts[2]
	raw, err := base64url.Decode(signature)
	if err != nil {
		f.i.t.Fatalf("guardtest: %v", err)
	}
	add := func(name string, sig []byte) { f.add(name, head+"."+payload+"."+base64url.Encode(sig)) }
	changed := base64url.Encode([]byte(f.text(f.claims.with("sub", "somebody-else"))))
	f.add("changed payload", head+"."+changed+"."+signature)
	f.add("changed header", base64url.Encode([]byte(f.text(f.header.with("x", 1))))+"."+payload+"."+signature)
	other := f.i.Token(f.audience, jwt.AccessClaims{})
	f.add("signature of another token", head+"."+payload+other[strings.LastIndexByte(other, '.'):])
	f.add("signature of a stranger", f.sign(f.stranger, f.text(f.header), f.text(f.claims)))
	add("no signature", nil)
	add("signature of zeros", make([]byte, len(raw)))
	add("signature of ones", []byte(strings.Repeat("\xff", len(raw))))
	add("signature cut", raw[:len(raw)-1])
	add("signature with a byte more", append(raw[:len(raw):len(raw)], 0))
	flipped := append([]byte(nil), raw...)
	flipped[len(raw)/2] ^= 1
	add("signature with a bit changed", flipped)
}

// keys: the token brings or names a key of its own.
func (f *forge) keys() {
	public, claims := f.stranger.Public(), f.text(f.claims)
	add := func(name string, header members) {
		f.add(name+", under the issuer's kid", f.sign(f.stranger, f.text(header), claims))
		f.add(name+", under its own kid", f.sign(f.stranger, f.text(header.with("kid", public.KeyID())), claims))
		f.add(name+", without kid", f.sign(f.stranger, f.text(header.with("kid", nil)), claims))
	}
	add("key of a stranger", f.header)
	add("key in jwk", f.header.with("jwk", public))
	add("key in jku", f.header.with("jku", "https://evil.test/jwks.json"))
	add("key in jku that looks like the issuer's", f.header.with("jku", URL+"@evil.test/jwks.json"))
	add("key in x5u", f.header.with("x5u", "https://evil.test/cert.pem"))
	add("key in x5c", f.header.with("x5c", []string{"MIIBAA=="}))
	for name, kid := range map[string]any{
		"unknown": "unknown", "with SQL": "x' OR '1'='1", "with a path": "../../etc/passwd", "with a command": "x|sleep 5",
		"with line break and NUL": "a\r\n\x00b", "of 5 kB": strings.Repeat("k", 5000), "empty": "", "a number": 7,
		"a list": []string{f.i.KeyID()}, "an object": members{}, "in another case": strings.ToUpper(f.i.KeyID()),
	} {
		f.addHeader("kid "+name, f.text(f.header.with("kid", kid)))
	}
}

// headers: what the guard is told it has to understand, and doesn't.
func (f *forge) headers() {
	for name, crit := range map[string]any{
		"unknown": []string{"x"}, "empty": []string{}, "a string": "x", "twice": []string{"x", "x"},
		"of a registered name": []string{"alg"}, "not there": []string{"y"}, "b64": []string{"b64"},
	} {
		f.addHeader("crit "+name, f.text(f.header.with("x", 1).with("b64", true).with("crit", crit)))
	}
	f.addHeader("b64 false", f.text(f.header.with("b64", false).with("crit", []string{"b64"})))
	header := f.text(f.header)
	f.addHeader("header twice alg", `{"alg":"ES256",`+header[1:])
	f.addHeader("header with escaped second alg", `{"\u0061lg":"none",`+header[1:])
	f.addHeader("header with data after it", header+"{}")
	f.addHeader("header an array", "["+header+"]")
	f.addHeader("header with invalid UTF-8", `{"x":"`+"\xff"+`",`+header[1:])
	f.addHeader("header with alg in capitals only", strings.Replace(header, `"alg"`, `"ALG"`, 1))
	f.addHeader("header nested too deeply", `{"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`,`+header[1:])
}

// kinds: good tokens of another kind.
func (f *forge) kinds() {
	for _, typ := range []any{"JWT", "jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "at+jwt2", "", 7, nil} {
		f.addHeader(fmt.Sprintf("typ %#v", typ), f.text(f.header.with("typ", typ)))
	}
	id := members{
		"iss": URL, "sub": "user", "aud": "client", "nonce": "n",
		"iat": f.i.Now().Unix(), "exp": f.i.Now().Add(Lifetime).Unix(),
	}
	f.add("ID token", f.sign(f.i.key(), f.text(f.header.with("typ", "JWT")), f.text(id)))
	f.add("ID token for this audience", f.sign(f.i.key(), f.text(f.header.with("typ", "JWT")), f.text(id.with("aud", f.audience))))
	f.addClaims("ID token's claims as an access token", f.text(id.with("aud", f.audience)))
	f.add("refresh token", "writ_rt_AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.add("opaque token", "2YotnFZFEjr1zCsicMWpAA")
	f.addClaims("bound to a DPoP key", f.text(f.claims.with("cnf", members{"jkt": f.stranger.Public().KeyID()})))
	f.addClaims("bound to a certificate", f.text(f.claims.with("cnf", members{"x5t#S256": "x"})))
	f.addClaims("bound to nothing known", f.text(f.claims.with("cnf", members{})))
}

// times: over, not yet, or not a time.
func (f *forge) times() {
	now := f.i.Now()
	claim := func(name, claim string, value any) { f.addClaims(name, f.text(f.claims.with(claim, value))) }
	claim("expired", "exp", now.Add(-time.Hour).Unix())
	claim("not valid yet", "nbf", now.Add(time.Hour).Unix())
	claim("issued in the future", "iat", now.Add(time.Hour).Unix())
	claim("no exp", "exp", nil)
	claim("no iat", "iat", nil)
	claim("exp in milliseconds", "exp", now.Add(time.Hour).UnixMilli())
	for _, name := range []string{"exp", "nbf", "iat"} {
		for kind, value := range map[string]any{
			"a string": fmt.Sprint(now.Add(time.Hour).Unix()), "a list": []int64{now.Unix()}, "an object": members{},
			"true": true, "negative": -1, "null": json.RawMessage("null"), "beyond all": json.RawMessage("1e400"),
		} {
			claim(name+" "+kind, name, value)
		}
	}
}

// names: of another issuer, for another audience, or of nobody.
func (f *forge) names() {
	claim := func(name, claim string, value any) { f.addClaims(name, f.text(f.claims.with(claim, value))) }
	for name, iss := range map[string]any{
		"another": "https://evil.test", "with a slash": URL + "/", "in capitals": strings.ToUpper(URL), "longer": URL + ".evil.test",
		"a list": []string{URL}, "empty": "", "missing": nil, "null": json.RawMessage("null"),
	} {
		claim("iss "+name, "iss", iss)
	}
	for name, aud := range map[string]any{
		"another": "https://other.test", "the start of ours": f.audience[:len(f.audience)-1], "longer": f.audience + "/x",
		"an empty list": []string{}, "mixed": []any{f.audience, 7}, "nested": [][]string{{f.audience}}, "a number": 7,
		"an object": members{f.audience: true}, "empty": "", "missing": nil, "null": json.RawMessage("null"),
	} {
		claim("aud "+name, "aud", aud)
	}
	for _, name := range []string{"sub", "jti", "client_id"} {
		claim("no "+name, name, nil)
		claim(name+" a number", name, 7)
	}
	claim("roles a string", "roles", "admin")
	claim("roles mixed", "roles", []any{"admin", 7})
	claim("scope a list", "scope", []string{"admin"})
}

// json: payloads that two readers could understand differently.
func (f *forge) json() {
	payload := f.text(f.claims)
	later := fmt.Sprint(f.i.Now().Add(time.Hour).Unix())
	expired := f.text(f.claims.with("exp", f.i.Now().Add(-time.Hour).Unix()))
	f.addClaims("exp twice", `{"exp":`+later+`,`+payload[1:])
	f.addClaims("exp twice, once with an escape", `{"\u0065xp":`+later+`,`+payload[1:])
	f.addClaims("sub twice", `{"sub":"admin",`+payload[1:])
	f.addClaims("an unknown claim twice", `{"x":1,"x":2,`+payload[1:])
	f.addClaims("EXP in place of exp", strings.Replace(payload, `"exp"`, `"EXP"`, 1))
	f.addClaims("Exp beside an expired exp", `{"Exp":`+later+`,`+expired[1:])
	f.addClaims("Aud in place of aud", strings.Replace(payload, `"aud"`, `"Aud"`, 1))
	f.addClaims("data after the payload", payload+"{}")
	f.addClaims("payload cut", payload[:len(payload)-1])
	f.addClaims("payload an array", "["+payload+"]")
	f.addClaims("payload null", "null")
	f.addClaims("payload of no bytes", "")
	f.addClaims("payload with a byte order mark", "\ufeff"+payload)
	f.addClaims("payload with invalid UTF-8", `{"name":"`+"\xff"+`",`+payload[1:])
	f.addClaims("payload with half a surrogate pair", `{"name":"\ud800",`+payload[1:])
	f.addClaims("payload with a trailing comma", payload[:len(payload)-1]+",}")
	f.addClaims("payload with NaN", `{"x":NaN,`+payload[1:])
	f.addClaims("payload nested too deeply", `{"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`,`+payload[1:])
}

// encodings: other spellings of a good token.
func (f *forge) encodings() {
	parts := strings.Split(f.good, ".")
	for n, name := range []string{"header", "payload", "signature"} {
		spell := func(how, part string) {
			changed := append([]string(nil), parts...)
			changed[n] = part
			f.add(name+" "+how, strings.Join(changed, "."))
		}
		spell("padded", parts[n]+strings.Repeat("=", (4-len(parts[n])%4)%4+1))
		spell("with a line break", parts[n][:4]+"\n"+parts[n][4:])
		spell("with a space", parts[n][:4]+" "+parts[n][4:])
		spell("with a foreign character", parts[n][:4]+"!"+parts[n][4:])
		spell("empty", "")
	}
	last := parts[2][len(parts[2])-1]
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	unused := alphabet[strings.IndexByte(alphabet, last)|1] // the last 4 bits of 86 characters carry nothing
	f.add("signature with an unused bit set", f.good[:len(f.good)-1]+string(unused))
	f.add("two parts", parts[0]+"."+parts[1])
	f.add("four parts", f.good+".")
	f.add("five parts", f.good+".a.b")
	f.add("nothing", "")
	f.add("dots", "..")
	f.add("JSON serialisation", fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2]))
	f.add("JSON serialisation around a token", `{"`+f.good+`":""}`)
	f.add("good token with a word before it", "Bearer "+f.good)
	f.add("good token twice", f.good+","+f.good)
}

// sizes: more than anybody should look at.
func (f *forge) sizes() {
	const megabyte = 1 << 20
	f.add("1 MB of dots", strings.Repeat(".", megabyte))
	f.add("1 MB of letters", strings.Repeat("A", megabyte))
	f.add("1 MB of signature", f.good+strings.Repeat("A", megabyte))
	f.addClaims("1 MB of claims", f.text(f.claims.with("x", strings.Repeat("x", megabyte))))
}
