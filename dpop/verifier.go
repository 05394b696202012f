package dpop

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// Type is the typ of a proof.
const Type = "dpop+jwt"

// Bounds of a proof. A key of 4096 bits under RSA makes some 2 KiB.
const (
	maxProof = 8 << 10 // bytes
	maxID    = 256     // of jti
	maxURL   = 2 << 10 // of htu
)

// DefaultMaxAge is how old a proof may be unless Config says otherwise.
const DefaultMaxAge = time.Minute

// What is wrong with a proof. Every error of [Verifier.Verify] is one of these,
// with a text for the log that has no value of the proof in it.
var (
	ErrProof = errors.New("dpop: proof is missing or not valid")
	ErrNonce = errors.New("dpop: proof needs a nonce that this server gave out lately") // RFC 9449 section 8
)

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrProof}, args...)...)
}

// Config says which proofs are taken. The zero value is good.
type Config struct {
	// MaxAge is how long ago a proof may have been made; default one minute, at
	// most an hour. It may be from a minute ahead, since clocks differ. MaxAge is also how long each has to be remembered so that it
	// counts once, see [Proof.Forget].
	MaxAge time.Duration
	// Nonces, if set, demands a nonce of every proof.
	Nonces *Nonces
	// Extensions read keys that package jwk does not know.
	Extensions []jwk.Extension
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Verifier verifies proofs. It is immutable and safe for concurrent use. The
// zero Verifier refuses every proof.
type Verifier struct {
	cfg    Config
	tokens *jwt.Verifier[claims] // a template without a key
}

// claims are those of section 4.2.
type claims struct {
	jwt.Claims
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Hash   string `json:"ath,omitzero"`
	Nonce  string `json:"nonce,omitzero"`
}

// slack is for how long a proof is remembered beyond its age: who has judged it
// may have to ask a database before it counts as used.
const slack = 30 * time.Second

// NewVerifier returns a Verifier. The error names the field of cfg that makes
// no sense.
func NewVerifier(cfg Config) (*Verifier, error) {
	if cfg.MaxAge == 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	if cfg.MaxAge < time.Second || cfg.MaxAge > time.Hour {
		return nil, errors.New("dpop: Config.MaxAge isn't within 1 s and 1 h")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	tokens, err := jwt.NewVerifier[claims](nobody{}, jwt.Expect{
		// Who made it doesn't matter but for the key, which the caller compares.
		AnyIssuer: true, AnyAudience: true, AllowNoExpiry: true,
		Type: Type, Required: []string{"jti", "htm", "htu"}, MaxAge: cfg.MaxAge, MaxSize: maxProof, Now: cfg.Now,
	})
	return &Verifier{cfg, tokens}, err
}

// nobody has no key.
type nobody struct{}

func (nobody) FindKey(context.Context, jwk.Algorithm, string) (jwk.VerifyingKey, error) {
	return nil, jwk.ErrNotFound
}

// Request is what a proof must be about.
type Request struct {
	Method string // as it was sent
	// URL is the address as the client knows it, scheme and host included, and
	// escaped as it was sent: of a request that came, URL.EscapedPath, not Path.
	// Query and fragment don't count.
	URL string
	// AccessToken is the token that came with the proof; "" where none does, as
	// at a token endpoint.
	AccessToken string
}

// Proof is a proof that was good. It says nothing of whether it was used
// before.
type Proof struct {
	key    *jwk.PublicKey
	jkt    string
	hash   [32]byte
	forget time.Time
}

// Key returns the key that signed the proof.
func (p *Proof) Key() *jwk.PublicKey { return p.key }

// Thumbprint returns the SHA-256 thumbprint of the key (RFC 7638), the jkt of
// tokens that are bound to it.
func (p *Proof) Thumbprint() string { return p.jkt }

// Hash names the proof: key and jti. Of two proofs with the same name one was
// used before.
func (p *Proof) Hash() [32]byte { return p.hash }

// Forget is when the proof would be refused for its age alone, so that nobody
// needs to remember it any longer.
func (p *Proof) Forget() time.Time { return p.forget }

// Verify checks a proof, all that section 4.3 demands but two things: that its
// key is the one that the access token is bound to, and that it wasn't used
// before. The error is ErrProof or ErrNonce, the latter of proofs with which
// all else is well.
func (v *Verifier) Verify(ctx context.Context, proof string, req Request) (*Proof, error) {
	if v == nil || v.tokens == nil {
		return nil, bad("verifier not made by NewVerifier")
	}
	key, err := embeddedKey(proof, v.cfg.Extensions)
	if err != nil {
		return nil, err
	}
	token, err := v.tokens.With("", key).Verify(ctx, proof)
	if err != nil {
		return nil, bad("%w", err)
	}
	c := token.Claims()
	if err := c.about(req); err != nil {
		return nil, err
	}
	if v.cfg.Nonces != nil && !v.cfg.Nonces.good(c.Nonce) {
		return nil, ErrNonce
	}
	p := &Proof{key: key, jkt: key.Thumbprint(), forget: c.IssuedAt.Time().Add(v.cfg.MaxAge + slack)}
	p.hash = sha256.Sum256([]byte(p.jkt + "\x00" + c.ID)) // a thumbprint has no zero byte
	return p, nil
}

// about compares what the proof is about with the request.
func (c *claims) about(req Request) error {
	switch {
	case len(c.ID) > maxID:
		return bad("jti is too long")
	case len(c.URL) > maxURL:
		return bad("htu is too long")
	case c.Method != req.Method:
		return bad("htm is another method than the request's")
	case req.AccessToken != "" && subtle.ConstantTimeCompare([]byte(c.Hash), []byte(tokenHash(req.AccessToken))) != 1:
		return bad("ath is not the hash of the access token")
	}
	return sameAddress(c.URL, req.URL)
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64url.Encode(sum[:])
}

// FromHeader returns the proof of a request, "" if it has none. Two are refused
// (section 4.3): whoever stands before this server may have checked the other.
func FromHeader(h http.Header) (string, error) {
	switch lines := h["Dpop"]; len(lines) {
	case 0:
		return "", nil
	case 1:
		if lines[0] == "" {
			return "", bad("the header is empty")
		}
		return lines[0], nil
	}
	return "", bad("two headers")
}
