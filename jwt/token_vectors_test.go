package jwt_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

func tokenSuites() []suite {
	return []suite{
		{"jwt/testdata/wycheproof/json_web_signature.json", runWycheproofTokens},
		{"jwt/testdata/wycheproof/json_web_encryption.json", runWycheproofEncrypted},
		{"jwt/testdata/josekit/*.jwt", runJosekitTokens},
		{"jwt/testdata/rfc/*", runRFCTokens},
	}
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	return must[[]byte](t)(os.ReadFile(file))
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	if err := json.Unmarshal(readFile(t, file), v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// accepts reports whether a token's signature is good under keys.
func accepts(keys jwt.KeySource, token string) bool {
	_, err := jwt.VerifyJWS(keys, "JWT", token)
	return err == nil
}

// acceptsShared reports whether both the secret and the token are accepted.
func acceptsShared(secret []byte, token string) bool {
	key, err := jwk.ParseSecretJWK(secret)
	return err == nil && accepts(key, token)
}

func runWycheproofTokens(t *testing.T, files []string, c *tally) {
	var file struct{ TestGroups []wycheproofGroup }
	readJSON(t, files[0], &file)
	for _, g := range file.TestGroups {
		keys, err := g.keys()
		for _, test := range g.Tests {
			c.add(strconv.Itoa(test.TcID), test.Result == "valid", err == nil && accepts(keys, test.JWS))
		}
	}
}

// runWycheproofEncrypted: encrypted tokens are refused, whatever the key.
func runWycheproofEncrypted(t *testing.T, files []string, c *tally) {
	var file struct {
		TestGroups []struct {
			Tests []struct {
				TcID   int
				JWE    json.RawMessage
				Result string
			}
		}
	}
	readJSON(t, files[0], &file)
	key := newSecret(t)
	for _, g := range file.TestGroups {
		for _, test := range g.Tests {
			var token string
			if json.Unmarshal(test.JWE, &token) != nil {
				token = string(test.JWE) // a JSON serialisation
			}
			c.add(strconv.Itoa(test.TcID), test.Result == "valid", accepts(key, token))
		}
	}
}

// runJosekitTokens: a file is named after its algorithm, its library takes all.
func runJosekitTokens(t *testing.T, files []string, c *tally) {
	keys := map[string]string{
		"ES256": "EC_P-256_public", "ES384": "EC_P-384_public", "ES512": "EC_P-521_public", "RS256": "RSA_public", "RS384": "RSA_public",
		"PS256": "RSA_public", "PS384": "RSA_public",
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jwt")
		token := strings.TrimSpace(string(readFile(t, file)))
		if strings.HasPrefix(name, "HS") {
			c.add(name, true, acceptsShared(readVector(t, "josekit/oct_512bit_private.jwk"), token))
			continue
		}
		var source jwt.KeySource = newSecret(t)
		if key, ok := keys[name]; ok {
			source = josekitKey(t, jwk.Algorithm(name), readVector(t, "josekit/"+key+".jwk"))
		}
		c.add(name, true, accepts(source, token))
	}
}

// runRFCTokens counts the tokens of the RFCs' examples. Each is one that the
// RFC calls good; the keys of RFC 7519 are those of RFC 7515 and 7516.
func runRFCTokens(t *testing.T, _ []string, c *tally) {
	secret := newSecret(t)
	for _, name := range []string{"A.1", "A.2", "A.3", "A.4"} {
		key, token := readVector(t, "rfc/rfc7515_"+name+".jwk"), readToken(t, "rfc/rfc7515_"+name+".jwsc")
		if name == "A.1" {
			c.add("7515 "+name, true, acceptsShared(key, token))
		} else {
			c.add("7515 "+name, true, accepts(must[*jwk.PrivateKey](t)(jwk.ParsePrivateJWK(key)).Public(), token))
		}
	}
	c.add("7515 A.5", true, accepts(secret, readToken(t, "rfc/rfc7515_A.5.jwsc")))
	c.add("7515 A.6", true, accepts(secret, readToken(t, "rfc/rfc7515_A.6.jwsg")))
	c.add("7515 A.7", true, accepts(secret, readToken(t, "rfc/rfc7515_A.7.jwsf")))
	for name, member := range map[string]string{"A.1": "a.1.7.jwe+compact", "A.2": "a.2.7.jwe+compact", "A.3": "a.3.7.jwe+compact"} {
		c.add("7516 "+name, true, accepts(secret, rfcText(t, "rfc7516_"+name+".json", member)))
	}
	c.add("7517 C", true, accepts(secret, rfcText(t, "rfc7517_C.json", "c.9.jwe+txt")))
	runRFC7519(t, c)
	public := must[*jwk.PublicKey](t)(jwk.ParsePublicJWK(readVector(t, "rfc/rfc8037_A.2.jwk")))
	c.add("8037 A.4", true, accepts(public, rfcText(t, "rfc8037_A.4.json", "a.4.sig+compact")))
	c.add("8037 A.5", true, accepts(public, rfcText(t, "rfc8037_A.5.json", "a.5.sig+compact")))
	var cookbook struct{ Output struct{ Compact string } }
	readJSON(t, "testdata/rfc/rfc8037_cookbook_jws.json", &cookbook)
	c.add("8037 cookbook JWS", true, accepts(public, cookbook.Output.Compact))
	readJSON(t, "testdata/rfc/rfc8037_cookbook_ecdh-es.json", &cookbook)
	c.add("8037 cookbook JWE", true, accepts(secret, cookbook.Output.Compact))
	runRFC9449(t, c)
}

// rfcText reads one member of a file of texts.
func rfcText(t *testing.T, file, member string) string {
	t.Helper()
	var texts map[string]json.RawMessage
	readJSON(t, "testdata/rfc/"+file, &texts)
	var text string
	if err := json.Unmarshal(texts[member], &text); err != nil {
		t.Fatalf("%s: %s: %v", file, member, err)
	}
	return text
}

// runRFC7519 leaves out 3.1, which is the token of RFC 7515 A.1.
func runRFC7519(t *testing.T, c *tally) {
	var examples map[string]struct{ JWT string }
	readJSON(t, "testdata/rfc/rfc7519_examples.json", &examples)
	secret := newSecret(t)
	for _, name := range []string{"6.1", "A.1", "A.2"} {
		c.add("7519 "+name, true, accepts(secret, examples[name].JWT))
	}
}

// runRFC9449: three proofs, each with its key in its header, and an access
// token whose issuer's key the RFC does not give.
func runRFC9449(t *testing.T, c *tally) {
	var examples struct{ JWTs []string }
	readJSON(t, "testdata/rfc/rfc9449-examples.json", &examples)
	for i, token := range examples.JWTs {
		var header struct {
			Type string `json:"typ"`
			JWK  json.RawMessage
		}
		if err := json.Unmarshal(must[*jwt.Unverified](t)(jwt.DecodeUnverified(token)).Header(), &header); err != nil {
			t.Fatal(err)
		}
		if header.JWK == nil {
			continue // TestRFC9449 tries its claims
		}
		key := must[*jwk.PublicKey](t)(jwk.ParsePublicJWK(header.JWK))
		_, err := jwt.VerifyJWS(key, header.Type, token)
		c.add("9449 "+strconv.Itoa(i+1), true, err == nil)
	}
}

// RFC 7797 section 4: a payload that isn't encoded. The key is RFC 7515's.
func TestRFC7797(t *testing.T) {
	text := readVector(t, "rfc/rfc7515_A.1.jwk")
	key, encoded := resign(t, jwk.HS256, text, "eyJhbGciOiJIUzI1NiJ9.JC4wMg.5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ")
	v := must[*jwt.Verifier[jwt.Claims]](t)(jwt.NewVerifier[jwt.Claims](key, expect()))
	if payload, err := jwt.VerifyJWS(key, "JWT", encoded); err != nil || payload != "$.02" {
		t.Errorf("4.1: got %q, %v", payload, err)
	}
	const header, mac = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19", "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY"
	verify(t, v, header+".."+mac, jwt.ErrHeader, "b64")       // 4.2, detached
	verify(t, v, header+".$.02."+mac, jwt.ErrMalformed, "")   // its dot is one too many
	verify(t, v, header+".JC4wMg."+mac, jwt.ErrHeader, "b64") // encoded, but the header says that it isn't
}

// RFC 7520 section 4.4: HS256 with a key id, over text.
func TestRFC7520(t *testing.T) {
	const secret = `{"kty":"oct","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037","use":"sig","alg":"HS256","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}`
	const text = "It’s a dangerous business, Frodo, going out your door. You step onto the road, and if you don't keep your feet, " +
		"there’s no knowing where you might be swept off to."
	header := b64(`{"alg":"HS256","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037"}`)
	key, token := resign(t, jwk.HS256, []byte(secret), header+"."+b64(text)+".s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0")
	if payload, err := jwt.VerifyJWS(key, "JWT", token); err != nil || payload != text {
		t.Errorf("4.4.3: got %q, %v", payload, err)
	}
	if accepts(key, header+"."+token[strings.LastIndexByte(token, '.'):]) {
		t.Error("4.5: the detached form is accepted")
	}
}

// RFC 9068 figures 2 and 3, under a key of ours: theirs isn't given.
func TestRFC9068(t *testing.T) {
	key := newKey(t, jwk.RS256)
	token := forge(t, key, `{"typ":"at+JWT","alg":"RS256","kid":"RjEwOwOA"}`, `{"iss": "https://authorization-server.example.com/",
 "sub": "5ba552d67","aud":   "https://rs.example.com/","exp": 1639528912,"iat": 1618354090,
 "jti" : "dbe39bf3a3ba4238a513f51d6e1691c4","client_id": "s6BhdRkqt3","scope": "openid profile reademail"}`)
	e := jwt.AccessToken("https://authorization-server.example.com/", "https://rs.example.com/")
	e.Now = func() time.Time { return time.Unix(1618354090, 0) }
	v := must[*jwt.Verifier[jwt.AccessClaims]](t)(jwt.NewVerifier[jwt.AccessClaims](key.Public(), e))
	claims := must[*jwt.Token[jwt.AccessClaims]](t)(v.Verify(t.Context(), token)).Claims()
	if claims.Subject != "5ba552d67" || claims.ClientID != "s6BhdRkqt3" || !claims.Scope.Has("reademail") || claims.Expiry.Time().Unix() != 1639528912 {
		t.Errorf("read as %+v", claims)
	}
	e.Issuer = "https://authorization-server.example.com" // no slash
	other := must[*jwt.Verifier[jwt.AccessClaims]](t)(jwt.NewVerifier[jwt.AccessClaims](key.Public(), e))
	verify(t, other, token, jwt.ErrIssuer, "iss")
}
