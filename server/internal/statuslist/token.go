package statuslist

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/mint"
)

// Token is a signed list, ready to be sent. It never changes.
type Token struct {
	Text []byte // the compact serialisation
	Gzip []byte // the same as content encoding gzip; nil where that is no shorter
	ETag string // of Text, quoted

	keyID  string
	issued time.Time
}

// claims are those of section 5.1.
type claims struct {
	jwt.Claims
	TTL  int64  `json:"ttl"` // seconds
	List oneBit `json:"status_list"`
}

// oneBit is section 4.2. One bit is enough: what is not revoked is valid, and
// anything finer would tell everybody more.
type oneBit struct {
	Bits        int    `json:"bits"`
	Lst         string `json:"lst"`
	Aggregation string `json:"aggregation_uri"`
}

// sign makes the token of a list as it was at a time.
func sign(key *jwk.PrivateKey, issuer string, number int64, bits []byte, at time.Time) (*Token, error) {
	lst, err := encode(bits)
	if err != nil {
		return nil, err
	}
	c := claims{
		Claims: jwt.Claims{Issuer: issuer, Subject: mint.StatusListURI(issuer, number),
			IssuedAt: jwt.NumericDate(at), Expiry: jwt.NumericDate(at.Add(Lifetime))},
		TTL:  int64(TTL / time.Second),
		List: oneBit{1, lst, issuer + mint.PathStatusLists},
	}
	text, err := jwt.Sign(key, c, jwt.SignOptions{Type: Type})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(text))
	t := &Token{Text: []byte(text), ETag: `"` + base64url.Encode(sum[:16]) + `"`, keyID: key.KeyID(), issued: at}
	t.Gzip, err = shorter(t.Text)
	return t, err
}

// bitmap sets the bits of places (section 4.1): the lowest bit of a byte is the
// first place.
func bitmap(size int, places []int64) []byte {
	bits := make([]byte, size/8)
	for _, place := range places {
		bits[place/8] |= 1 << (place % 8)
	}
	return bits
}

// encode makes the lst of a list.
func encode(bits []byte) (string, error) {
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, zlib.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(bits); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64url.Encode(out.Bytes()), nil
}

// shorter compresses a token, whose base64url a list that is well filled has
// twice over.
func shorter(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if out.Len() >= len(text) {
		return nil, nil
	}
	return out.Bytes(), nil
}
