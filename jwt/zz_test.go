package jwt

import (
	"context"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
)

func zz(b *testing.B) (*Verifier[AccessClaims], string, *jwk.Secret) {
	k, _ := jwk.GenerateSecret(jwk.HS256)
	raw, err := Sign(k, AccessClaims{
		Claims:   Claims{Issuer: "https://auth.example", Subject: "usr_2Yc1vW7kQ0pB", Audience: Audience{"https://api.example"}},
		ClientID: "writ", SessionID: "NQwQFJm0vLk5VbC1qCw4hg", Scope: Scope{"orders:read", "orders:write"}, Roles: []string{"admin", "support"},
	}, SignOptions{Lifetime: time.Hour, NewID: true, Type: "at+jwt"})
	if err != nil {
		b.Fatal(err)
	}
	v, err := NewVerifier[AccessClaims](k, AccessToken("https://auth.example", "https://api.example"))
	if err != nil {
		b.Fatal(err)
	}
	return v, raw, k
}

func BenchmarkZAll(b *testing.B) {
	v, raw, _ := zz(b)
	for b.Loop() {
		v.Verify(context.Background(), raw)
	}
}
func BenchmarkZAuthenticate(b *testing.B) {
	v, raw, _ := zz(b)
	for b.Loop() {
		v.authenticate(context.Background(), raw)
	}
}
func BenchmarkZHMAC(b *testing.B) {
	_, raw, k := zz(b)
	c, _ := split(raw, 1<<20)
	d, _ := c.decode(nil)
	for b.Loop() {
		k.Verify(d.message, d.signature)
	}
}
func BenchmarkZDecode(b *testing.B) {
	_, raw, _ := zz(b)
	c, _ := split(raw, 1<<20)
	room := make([]byte, 4096)
	for b.Loop() {
		c.decode(room)
	}
}
func BenchmarkZSplit(b *testing.B) {
	_, raw, _ := zz(b)
	for b.Loop() {
		split(raw, 1<<20)
	}
}
func BenchmarkZToken(b *testing.B) {
	_, raw, _ := zz(b)
	c, _ := split(raw, 1<<20)
	d, _ := c.decode(nil)
	var t *Token[AccessClaims]
	for b.Loop() {
		t = &Token[AccessClaims]{payload: string(d.payload)}
	}
	_ = t.payload
}
func BenchmarkZRead(b *testing.B) {
	v, raw, _ := zz(b)
	c, _ := split(raw, 1<<20)
	p, _ := c.decodePayload()
	for b.Loop() {
		var t Token[AccessClaims]
		f := facts{room: t.lists[:]}
		v.plan.read(p, claimSetOf(&t.claims), &f)
	}
}
func BenchmarkZMembers(b *testing.B) {
	_, raw, _ := zz(b)
	c, _ := split(raw, 1<<20)
	p, _ := c.decodePayload()
	for b.Loop() {
		var r strictjson.Reader
		r.Reset(p)
		r.BeginObject()
		for {
			_, more, err := r.NextKey()
			if err != nil || !more {
				break
			}
			r.Skip()
		}
	}
}
func BenchmarkZReset(b *testing.B) {
	_, raw, _ := zz(b)
	c, _ := split(raw, 1<<20)
	p, _ := c.decodePayload()
	for b.Loop() {
		var r strictjson.Reader
		r.Reset(p)
		r.BeginObject()
	}
}
func BenchmarkZChecks(b *testing.B) {
	v, raw, _ := zz(b)
	c, _ := split(raw, 1<<20)
	p, _ := c.decodePayload()
	t := new(Token[AccessClaims])
	f := facts{room: t.lists[:]}
	v.plan.read(p, claimSetOf(&t.claims), &f)
	for b.Loop() {
		v.checkFacts(&f)
		v.checkClaims(&t.claims.Claims, &f, nil)
	}
}
func BenchmarkZNow(b *testing.B) {
	var t time.Time
	for b.Loop() {
		t = time.Now()
	}
	_ = t
}
