package session

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/base64url"
)

// fixedKeys are two tag keys, the second in use.
type fixedKeys struct{}

func (fixedKeys) CurrentTag() (uint32, []byte) { return 2, fixedKeys{}.Tag(2) }

func (fixedKeys) Tag(number uint32) []byte {
	if number == 1 || number == 2 {
		return bytes.Repeat([]byte{byte(number)}, 32)
	}
	return nil
}

func TestTokenRoundTrip(t *testing.T) {
	h := handle{1, 2, 3}
	for _, generation := range []uint64{0, 1, 1 << 40, 1<<64 - 1} {
		token, err := encodeToken(fixedKeys{}, 1, h, generation)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := encodeToken(fixedKeys{}, 1, h, generation)
		if token != again {
			t.Error("the same generation made two different tokens: a repeat could not answer the same")
		}
		gotHandle, gotGeneration, err := decodeToken(fixedKeys{}, token)
		if err != nil || gotHandle != h || gotGeneration != generation {
			t.Errorf("decode = %v, %d, %v", gotHandle, gotGeneration, err)
		}
	}
}

// TestTag compares with package hmac.
func TestTag(t *testing.T) {
	for _, size := range []int{0, 1, 32, 63, 64, 65, 200} {
		for _, body := range [][]byte{nil, []byte("body"), bytes.Repeat([]byte{7}, bodySize), make([]byte, 500)} {
			secret := bytes.Repeat([]byte{byte(size), 1}, size)[:size]
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte("writ refresh token v1\x00"))
			mac.Write(body)
			if got, want := tag(secret, body), mac.Sum(nil)[:tagSize]; !bytes.Equal(got, want) {
				t.Errorf("the tag of %d bytes under a secret of %d is %x, want %x", len(body), size, got, want)
			}
		}
	}
}

// TestTokenTampered changes each bit of a token's body, and the usual ways to
// write one token twice.
func TestTokenTampered(t *testing.T) {
	token, err := encodeToken(fixedKeys{}, 1, handle{9}, 7)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64url.Decode(strings.TrimPrefix(token, TokenPrefix))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(raw) {
		changed := bytes.Clone(raw)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, _, err := decodeToken(fixedKeys{}, TokenPrefix+base64url.Encode(changed)); err == nil {
			t.Errorf("a token with bit %d changed was accepted", bit)
		}
	}
	for _, bad := range []string{
		"", TokenPrefix, token + "=", token + "A", token[:len(token)-1], " " + token, token + "\n",
		strings.ToUpper(token), "writ_st_" + token[8:], strings.TrimPrefix(token, TokenPrefix),
	} {
		if _, _, err := decodeToken(fixedKeys{}, bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestTokenOfALostKey(t *testing.T) {
	if _, err := encodeToken(fixedKeys{}, 3, handle{}, 0); err == nil {
		t.Error("a token was tagged under a key that is not there")
	}
}

func FuzzDecodeToken(f *testing.F) {
	token, _ := encodeToken(fixedKeys{}, 2, handle{4, 5}, 3)
	f.Add(token)
	f.Add(TokenPrefix + strings.Repeat("A", 60))
	f.Fuzz(func(t *testing.T, token string) {
		h, generation, err := decodeToken(fixedKeys{}, token)
		if err != nil {
			return
		}
		// What is accepted is exactly what this server writes.
		for _, key := range []uint32{1, 2} {
			if again, _ := encodeToken(fixedKeys{}, key, h, generation); again == token {
				return
			}
		}
		t.Errorf("%q was accepted, but is not how it is written", token)
	})
}
