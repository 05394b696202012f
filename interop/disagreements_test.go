package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// seen is a token as far as anybody can decode it, for the tables below.
type seen struct {
	token           string
	header, payload string
	claims          map[string]json.RawMessage
}

func view(token string) seen {
	s := seen{token: token, claims: map[string]json.RawMessage{}}
	texts := strings.SplitN(strings.NewReplacer("\r", "", "\n", "").Replace(token), ".", 3)
	for i, target := range []*string{&s.header, &s.payload} {
		if i < len(texts) {
			b, _ := base64.RawURLEncoding.DecodeString(texts[i])
			*target = string(b)
		}
	}
	_ = json.Unmarshal([]byte(s.payload), &s.claims) // what is no object has no claims
	return s
}

func (s seen) String() string { return s.header + "\n" + s.payload }

// mistake is a kind of token that we accept and another library refuses.
type mistake struct {
	judge, name, why string
	header, payload  string // an example
	text             string // of the judge's error
}

// mistakes has one cause: go-jose reads what decides nothing. We never look at
// a parameter that we don't use, so that nobody can do anything with it.
func mistakes() []mistake {
	return []mistake{
		{"go-jose", "jwk", "a key in the header is nobody's business but DPoP's (RFC 9449): a verifier with its own key has no reason to parse it",
			`{"alg":"ALG","jwk":[1]}`, good, "failed to unmarshal JWK"},
		{"go-jose", "nonce", "RFC 8555 section 6.5.2 defines nonce for ACME alone; elsewhere it must be ignored (RFC 7515 section 4)",
			`{"alg":"ALG","nonce":1}`, good, "failed to unmarshal nonce"},
		{"go-jose", "x5c", "certificates in the header are used by who verifies with certificates",
			`{"alg":"ALG","x5c":[1]}`, good, "failed to unmarshal x5c"},
	}
}

// mistaken names the row that explains why a judge disagrees, "" if none.
func mistaken(judge string, err error) string {
	for _, m := range mistakes() {
		if m.judge == judge && err != nil && strings.Contains(err.Error(), m.text) {
			return m.name
		}
	}
	return ""
}

// strictness is a class of tokens that all three take and we refuse.
type strictness struct {
	name, why       string
	header, payload string // an example
	of              func(s seen, e *jwt.Error) bool
}

func with(members string) string { return strings.TrimSuffix(good, "}") + "," + members + "}" }

func without(name, members string) string {
	return strings.Replace(with(members), `"`+name+`":`, `"x`+name+`":`, 1)
}

func strictnesses() []strictness {
	return []strictness{
		{"another typ", "one kind of token must not pass for another (RFC 8725 section 3.11); the others never look at typ",
			`{"alg":"ALG","typ":"logout+jwt"}`, good,
			func(s seen, e *jwt.Error) bool { return e.Reason == jwt.ErrType || is(e, jwt.ErrHeader, "typ") }},
		{"a token in a token", "cty says that the payload is another token (RFC 7519 section 5.2), which nobody here unwraps; it is a string",
			`{"alg":"ALG","cty":"JWT"}`, good,
			func(s seen, e *jwt.Error) bool { return is(e, jwt.ErrHeader, "cty") }},
		{"crit that is null", "who sends crit means something critical; whatever it is, nobody here understands it",
			`{"alg":"ALG","crit":null}`, good,
			func(s seen, e *jwt.Error) bool {
				return is(e, jwt.ErrHeader, "crit") && strings.Contains(s.header, "null")
			}},
		{"kid", "a key id is a string (RFC 7515 section 4.1.4), and of 256 bytes at most: it ends in look-ups and logs",
			`{"alg":"ALG","kid":"` + strings.Repeat("k", 300) + `"}`, good,
			func(s seen, e *jwt.Error) bool { return is(e, jwt.ErrHeader, "kid") }},
		{"no Unicode", "invalid bytes and half surrogates are replaced by others, so that two different texts become one",
			`{"alg":"ALG"}`, with(`"x":"\ud83d"`),
			func(s seen, e *jwt.Error) bool { return unread(e) && !isUnicode(s.header+s.payload) }},
		{"a name twice below the top", "two readers may take different ones (RFC 7519 section 4 says so of claims; we say it of all)",
			`{"alg":"ALG"}`, with(`"x":{"a":1,"a":2}`),
			func(s seen, e *jwt.Error) bool {
				return unread(e) && (hasDuplicate(s.header) || hasDuplicate(s.payload))
			}},
		{"nested too deeply", "32 levels are more than any token has; a recursive reader may run out of stack",
			`{"alg":"ALG"}`, with(`"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)),
			func(s seen, e *jwt.Error) bool { return unread(e) && (isDeep(s.header) || isDeep(s.payload)) }},
		{"too large", "16 KiB, before anything is decoded",
			`{"alg":"ALG"}`, with(`"x":"` + strings.Repeat("x", 16<<10) + `"`),
			func(s seen, e *jwt.Error) bool {
				return e.Reason == jwt.ErrTooLarge && len(s.token) > jwt.DefaultMaxSize
			}},
		{"line ends in the signature", "base64url has none (RFC 7515 section 2); Go's decoder skips them, strict or not, so a token has many spellings",
			`{"alg":"ALG"}`, good,
			func(s seen, e *jwt.Error) bool {
				return e.Reason == jwt.ErrMalformed && strings.ContainsAny(s.token[strings.LastIndexByte(s.token, '.')+1:], "\r\n")
			}},
		{"null for a claim", "a claim that is there has a value of its type; null is not absence",
			`{"alg":"ALG"}`, without("sub", `"sub":null`),
			func(s seen, e *jwt.Error) bool { return e.Reason == jwt.ErrClaim && string(s.claims[e.Name]) == "null" }},
		{"dates of no calendar", "before 1970 or after 9999: milliseconds, or an overflow in wait",
			`{"alg":"ALG"}`, without("exp", `"exp":1800000900000`),
			func(s seen, e *jwt.Error) bool {
				d := seconds(s.claims[e.Name])
				return e.Reason == jwt.ErrClaim && slices.Contains([]string{"exp", "nbf", "iat"}, e.Name) && d != nil &&
					(d.Sign() < 0 || d.Cmp(big.NewRat(253402300800, 1)) >= 0)
			}},
		{"fractions of a second", "they count; as floating point, or cut off, a date may be over or begin a moment early",
			`{"alg":"ALG"}`, with(`"nbf":1800000000.000000001`),
			func(s seen, e *jwt.Error) bool {
				d := seconds(s.claims[e.Name])
				return (e.Reason == jwt.ErrNotYetValid || e.Reason == jwt.ErrExpired) && d != nil && !d.IsInt()
			}},
	}
}

// intended names the class that a refusal belongs to, "" if none.
func intended(s seen, e *jwt.Error) string {
	for _, c := range strictnesses() {
		if c.of(s, e) {
			return c.name
		}
	}
	return ""
}

func is(e *jwt.Error, reason error, name string) bool { return e.Reason == reason && e.Name == name }

// unread reports whether it was JSON that was refused, and not what it says.
func unread(e *jwt.Error) bool { return e.Reason == jwt.ErrMalformed || e.Reason == jwt.ErrHeader }

// isUnicode reports whether all of a JSON text, escapes included, is.
func isUnicode(text string) bool {
	pairs := regexp.MustCompile(`\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`).ReplaceAllString(text, "")
	return utf8.ValidString(text) && !regexp.MustCompile(`\\u[dD][89a-fA-F]`).MatchString(pairs)
}

func isDeep(text string) bool {
	depth, deepest := 0, 0
	d := json.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if err != nil {
			return deepest > 32
		}
		if delim, ok := token.(json.Delim); ok && (delim == '[' || delim == '{') {
			depth++
		} else if ok {
			depth--
		}
		deepest = max(deepest, depth)
	}
}

// hasDuplicate reports whether any object in a JSON text has a name twice.
func hasDuplicate(text string) bool {
	return duplicateIn(json.NewDecoder(strings.NewReader(text)))
}

func duplicateIn(d *json.Decoder) bool {
	token, err := d.Token()
	if err != nil {
		return false
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return false
	}
	names := map[string]bool{}
	for d.More() {
		if delim == '{' {
			name, err := d.Token()
			text, _ := name.(string)
			if err != nil || names[text] {
				return err == nil
			}
			names[text] = true
		}
		if duplicateIn(d) {
			return true
		}
	}
	_, _ = d.Token() // the end of it; an error shows at the next
	return false
}

// seconds reads a number exactly, nil if it is none.
func seconds(text json.RawMessage) *big.Rat {
	if len(text) == 0 || len(text) > 40 || regexp.MustCompile(`[eE][-+]?[0-9]{4}`).Match(text) {
		return nil
	}
	d, ok := new(big.Rat).SetString(string(text))
	if !ok {
		return nil
	}
	return d
}

// TestMistakes wants each row to be needed, under every algorithm.
func TestMistakes(t *testing.T) {
	for _, c := range newCourts(t) {
		for _, m := range mistakes() {
			token := c.example(t, m.header, m.payload).String()
			if _, err := c.ours.Verify(t.Context(), token); err != nil {
				t.Errorf("%s: %s: we refuse it too: %v", c.alg, m.name, err)
			}
			for _, j := range c.judges {
				if _, err := j.verify(token, 0); (mistaken(j.name, err) == m.name) != (j.name == m.judge) {
					t.Errorf("%s: %s: %s says %v", c.alg, m.name, j.name, err)
				}
			}
		}
	}
}

// TestStricter wants each class to be one: all three accept its example, and we
// refuse it.
func TestStricter(t *testing.T) {
	for _, c := range newCourts(t) {
		for _, class := range strictnesses() {
			token := c.example(t, class.header, class.payload).String()
			if class.name == "line ends in the signature" {
				token = token[:len(token)-4] + "\r\n" + token[len(token)-4:]
			}
			for _, j := range c.judges {
				if _, err := j.verify(token, 0); err != nil {
					t.Errorf("%s: %s: %s refuses it too: %v", c.alg, class.name, j.name, err)
				}
			}
			_, err := c.ours.Verify(t.Context(), token)
			e, ok := errors.AsType[*jwt.Error](err)
			if !ok || intended(view(token), e) != class.name {
				t.Errorf("%s: %s: got %v, which is of class %q", c.alg, class.name, err, intended(view(token), e))
			}
		}
	}
}

// TestStricterThanOne are what one of them accepts and we refuse, for whoever
// moves from it.
func TestStricterThanOne(t *testing.T) {
	c := newCourt(t, jwk.HS256)
	for name, tt := range map[string]struct {
		judge, header, payload string
		want                   error
	}{
		"a claim twice":          {"golang-jwt", `{"alg":"HS256"}`, with(`"sub":"admin"`), jwt.ErrMalformed},
		"a claim twice, jwx":     {"jwx", `{"alg":"HS256"}`, with(`"sub":"admin"`), jwt.ErrMalformed},
		"a parameter twice":      {"golang-jwt", `{"alg":"none","alg":"HS256"}`, good, jwt.ErrHeader},
		"crit":                   {"golang-jwt", `{"alg":"HS256","crit":["x"],"x":1}`, good, jwt.ErrHeader},
		"kid that is a number":   {"golang-jwt", `{"alg":"HS256","kid":1}`, good, jwt.ErrHeader},
		"a date that is a text":  {"jwx", `{"alg":"HS256"}`, without("exp", `"exp":"1800000900"`), jwt.ErrClaim},
		"a subject that is none": {"golang-jwt", `{"alg":"HS256"}`, without("sub", `"sub":1`), jwt.ErrClaim},
	} {
		token := c.example(t, tt.header, tt.payload).String()
		for _, j := range c.judges {
			if _, err := j.verify(token, time.Second); j.name == tt.judge && err != nil {
				t.Errorf("%s: %s refuses this too: %v", name, j.name, err)
			}
		}
		_, err := c.ours.Verify(t.Context(), token)
		if e, ok := errors.AsType[*jwt.Error](err); !ok || e.Reason != tt.want {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

// example signs a row's header, with the court's algorithm in it.
func (c *court) example(t testing.TB, header, payload string) parts {
	t.Helper()
	return c.sign(t, []byte(strings.ReplaceAll(header, "ALG", string(c.alg))), []byte(payload))
}
