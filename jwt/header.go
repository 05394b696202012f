package jwt

import (
	"strings"
	"sync/atomic"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
)

const (
	maxKeyID     = 256 // bytes of kid
	maxAlgorithm = 64  // bytes of alg
)

// header is what of a token's header decides anything. Parameters that carry
// or point to keys (jwk, jku, x5u, x5c, x5t) are not among it: a key that
// comes with the token proves nothing, and fetching what a stranger names is
// an attack on ourselves.
type header struct {
	alg jwk.Algorithm
	kid string
	typ string // "" without one
}

// parseHeader decodes and checks a header, whoever made it.
func parseHeader(encoded string) (*header, error) {
	text, err := base64url.DecodeString(encoded)
	if err != nil {
		return nil, refuse(ErrMalformed, "", "header is not canonical base64url")
	}
	var r strictjson.Reader
	r.Reset(text)
	h := new(header)
	if err := r.BeginObject(); err != nil {
		return nil, refuse(ErrHeader, "", "not a JSON object")
	}
	for {
		name, more, err := r.NextKey()
		if err == nil && !more {
			err = r.End()
			if err == nil {
				return h, h.check()
			}
		}
		if err != nil {
			return nil, refuse(ErrHeader, "", err.Error())
		}
		if err := h.readParameter(&r, name); err != nil {
			return nil, err
		}
	}
}

func (h *header) readParameter(r *strictjson.Reader, name string) error {
	switch name {
	case "alg":
		alg, err := readText(r, "alg", maxAlgorithm)
		h.alg = jwk.Algorithm(alg)
		return err
	case "kid":
		kid, err := readText(r, "kid", maxKeyID)
		h.kid = kid
		return err
	case "typ":
		typ, err := readText(r, "typ", maxKeyID)
		h.typ = typ
		return err
	case "cty":
		cty, err := readText(r, "cty", maxKeyID)
		if err == nil && sameType(cty, "JWT") {
			return refuse(ErrHeader, "cty", "a token in a token is not read")
		}
		return err
	case "crit":
		// It lists extensions without which the token must not be understood
		// (RFC 7515 section 4.1.11). There are none here.
		return refuse(ErrHeader, "crit", "no extension is known")
	case "b64":
		// RFC 7797 section 7: not for JWTs.
		return refuse(ErrHeader, "b64", "not for tokens")
	}
	if err := r.Skip(); err != nil {
		return refuse(ErrHeader, "", err.Error())
	}
	return nil
}

// readText reads a parameter that is a string. One that is there but empty is
// refused, so that "" means absence from here on.
func readText(r *strictjson.Reader, name string, limit int) (string, error) {
	text, err := r.ReadString()
	switch {
	case err != nil:
		return "", refuse(ErrHeader, name, err.Error())
	case text == "":
		return "", refuse(ErrHeader, name, "empty")
	case len(text) > limit:
		return "", refuse(ErrHeader, name, "too long")
	}
	return text, nil
}

// check refuses what no key could make good. "none" would find no key anyway;
// saying so first, in any spelling, keeps that true whatever a key source does.
func (h *header) check() error {
	switch {
	case h.alg == "":
		return refuse(ErrHeader, "alg", "missing")
	case !isAlgorithmName(string(h.alg)):
		return refuse(ErrHeader, "alg", "not an algorithm's name")
	case strings.EqualFold(string(h.alg), "none"):
		return refuse(ErrHeader, "alg", "unsigned tokens are not accepted")
	}
	return nil
}

// isAlgorithmName allows the characters of the registered names.
func isAlgorithmName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '+' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// checkType compares typ; a token without one is a plain "JWT".
func (h *header) checkType(want string) error {
	typ := h.typ
	if typ == "" {
		typ = "JWT"
	}
	if !sameType(typ, want) {
		return refuseOther(ErrType, "typ", want)
	}
	return nil
}

// headerCache remembers headers that a verifier has accepted together with a
// good signature, by their encoded form. An issuer's tokens share one header
// until its key changes, so most headers are compared instead of parsed.
//
// It is bounded in number and in size, and the oldest entry makes room. Only
// headers under a good signature get in, and an entry holds nothing but what
// parsing the same bytes again would give: forgetting one is harmless.
type headerCache struct {
	next    atomic.Uint32
	entries [8]atomic.Pointer[cachedHeader]
}

type cachedHeader struct {
	encoded string
	header  *header
}

const maxCachedHeader = 1 << 10

func (c *headerCache) get(encoded string) *header {
	for i := range c.entries {
		if e := c.entries[i].Load(); e != nil && e.encoded == encoded {
			return e.header
		}
	}
	return nil
}

// put copies what it keeps: a substring would keep the whole token alive.
func (c *headerCache) put(encoded string, h *header) {
	if len(encoded) > maxCachedHeader {
		return
	}
	i := c.next.Add(1) % uint32(len(c.entries))
	c.entries[i].Store(&cachedHeader{encoded: strings.Clone(encoded), header: h})
}
