package jwk_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"slices"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// privateFile is a PEM file with a private key, and what it is refused with.
type privateFile struct {
	name string
	alg  jwk.Algorithm
	data []byte
	want error
}

func encode(label string, der ...[]byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: slices.Concat(der...)})
}

// element is one of ASN.1, with a tag of one byte.
func element(tag byte, content ...[]byte) []byte {
	b := slices.Concat(content...)
	switch {
	case len(b) < 0x80:
		return append([]byte{tag, byte(len(b))}, b...)
	case len(b) < 0x100:
		return append([]byte{tag, 0x81, byte(len(b))}, b...)
	}
	return append([]byte{tag, 0x82, byte(len(b) >> 8), byte(len(b))}, b...)
}

// grown is the SEQUENCE der with more at its end.
func grown(t testing.TB, der []byte, more ...[]byte) []byte {
	t.Helper()
	var seq asn1.RawValue
	if _, err := asn1.Unmarshal(der, &seq); err != nil {
		t.Fatal(err)
	}
	return element(0x30, seq.Bytes, slices.Concat(more...))
}

// rewrapped is the PKCS#8 key der around another inside.
func rewrapped(t testing.TB, der []byte, change func(inside []byte) []byte) []byte {
	t.Helper()
	var info struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		t.Fatal(err)
	}
	info.Key = change(info.Key)
	return must(asn1.Marshal(info))(t)
}

// twoReadings are files in which another program could find another key, beside
// those that only look so.
func twoReadings(t testing.TB) []privateFile {
	t.Helper()
	rs := rsaKey()
	ed, other := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	p256, other256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	pkcs8 := func(key any) []byte { return must(x509.MarshalPKCS8PrivateKey(key))(t) }
	sec1, pkcs1 := must(x509.MarshalECPrivateKey(p256))(t), x509.MarshalPKCS1PrivateKey(rs)
	point, otherPoint := must(p256.PublicKey.Bytes())(t), must(other256.PublicKey.Bytes())(t)
	scalar := must(p256.Bytes())(t)
	oid256, oid384 := must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}))(t), must(asn1.Marshal(asn1.ObjectIdentifier{1, 3, 132, 0, 34}))(t)
	number := []byte{2, 1, 7}
	// ec is an ECPrivateKey of these parts.
	ec := func(parts ...[]byte) []byte {
		return element(0x30, []byte{2, 1, 1}, element(4, scalar), slices.Concat(parts...))
	}
	curve := func(oid []byte) []byte { return element(0xa0, oid) }
	public := func(p []byte) []byte { return element(0xa1, element(3, []byte{0}, p)) }
	inside := func(der []byte) []byte { return rewrapped(t, pkcs8(p256), func([]byte) []byte { return der }) }
	params := func(der []byte) []byte { return encode("EC PARAMETERS", der) }
	more := func(b []byte) []byte { return append(b, 0) }
	sec1File := encode("EC PRIVATE KEY", sec1)
	var files []privateFile
	add := func(alg jwk.Algorithm, want error, name string, data ...[]byte) {
		files = append(files, privateFile{name, alg, slices.Concat(data...), want})
	}
	bad := jwk.ErrMalformed
	for alg, key := range map[jwk.Algorithm]any{jwk.RS256: rs, jwk.ES256: p256, jwk.EdDSA: ed} {
		add(alg, nil, "PKCS#8", encode("PRIVATE KEY", pkcs8(key)))
		add(alg, nil, "PKCS#8 with attributes", encode("PRIVATE KEY", grown(t, pkcs8(key), element(0xa0))))
		add(alg, bad, "bytes after PKCS#8", encode("PRIVATE KEY", pkcs8(key), []byte{0}))
		add(alg, bad, "two PKCS#8", encode("PRIVATE KEY", pkcs8(key), pkcs8(key)))
		add(alg, bad, "more in PKCS#8", encode("PRIVATE KEY", grown(t, pkcs8(key), number)))
		add(alg, bad, "attributes twice", encode("PRIVATE KEY", grown(t, pkcs8(key), element(0xa0), element(0xa0))))
		add(alg, bad, "bytes after what PKCS#8 wraps", encode("PRIVATE KEY", rewrapped(t, pkcs8(key), more)))
	}
	pss, _ := pem.Decode(readPEM(t, "RSA-PSS_2048bit_SHA-256_private.pem"))
	add(jwk.PS256, bad, "bytes after RSA-PSS", encode("PRIVATE KEY", pss.Bytes, []byte{0}))
	add(jwk.PS256, bad, "more in RSA-PSS", encode("PRIVATE KEY", grown(t, pss.Bytes, number)))
	add(jwk.RS256, bad, "bytes after PKCS#1", encode("RSA PRIVATE KEY", pkcs1, []byte{0}))
	add(jwk.RS256, bad, "more in PKCS#1", encode("RSA PRIVATE KEY", grown(t, pkcs1, number)))
	add(jwk.RS256, bad, "more in PKCS#1 in PKCS#8", encode("PRIVATE KEY", rewrapped(t, pkcs8(rs), func(b []byte) []byte { return grown(t, b, number) })))

	add(jwk.ES256, bad, "bytes after SEC 1", encode("EC PRIVATE KEY", sec1, []byte{0}))
	add(jwk.ES256, bad, "more in SEC 1", encode("EC PRIVATE KEY", grown(t, sec1, number)))
	add(jwk.ES256, nil, "SEC 1 without public key", encode("EC PRIVATE KEY", ec(curve(oid256))))
	add(jwk.ES256, nil, "SEC 1 with public key", encode("EC PRIVATE KEY", ec(curve(oid256), public(point))))
	add(jwk.ES256, bad, "SEC 1 with another's public key", encode("EC PRIVATE KEY", ec(curve(oid256), public(otherPoint))))
	add(jwk.ES256, bad, "SEC 1 with half a public key", encode("EC PRIVATE KEY", ec(curve(oid256), public(point[:33]))))
	add(jwk.ES256, nil, "PKCS#8 that names the curve twice", encode("PRIVATE KEY", inside(ec(curve(oid256)))))
	add(jwk.ES256, bad, "PKCS#8 that names two curves", encode("PRIVATE KEY", inside(ec(curve(oid384)))))
	add(jwk.ES256, bad, "PKCS#8 with another's public key", encode("PRIVATE KEY", inside(ec(public(otherPoint)))))

	add(jwk.ES256, nil, "parameters", params(oid256), sec1File)
	add(jwk.ES256, nil, "parameters and empty lines", params(oid256), []byte("\n \r\n"), sec1File)
	add(jwk.ES256, bad, "parameters of another curve", params(oid384), sec1File)
	add(jwk.ES256, bad, "parameters and more", params(append(bytes.Clone(oid256), 0)), sec1File)
	add(jwk.ES256, bad, "parameters that are none", params(number), sec1File)
	add(jwk.ES256, bad, "text between", params(oid256), []byte("key of mine:\n"), sec1File)

	own, others := []byte(ed[32:]), []byte(other[32:])
	add(jwk.EdDSA, nil, "version 2", encode("PRIVATE KEY", grown(t, pkcs8(ed), element(0x81, []byte{0}, own))))
	add(jwk.EdDSA, nil, "version 2, tagged twice", encode("PRIVATE KEY", grown(t, pkcs8(ed), element(0xa0), element(0xa1, element(3, []byte{0}, own)))))
	add(jwk.EdDSA, bad, "version 2 with another's public key", encode("PRIVATE KEY", grown(t, pkcs8(ed), element(0x81, []byte{0}, others))))
	add(jwk.EdDSA, bad, "version 2 with no public key", encode("PRIVATE KEY", grown(t, pkcs8(ed), element(0x81))))
	add(jwk.EdDSA, bad, "public key before attributes", encode("PRIVATE KEY", grown(t, pkcs8(ed), element(0x81, []byte{0}, own), element(0xa0))))
	add(jwk.EdDSA, jwk.ErrUnsupported, "X25519", encode("PRIVATE KEY", pkcs8(must(ecdh.X25519().GenerateKey(rand.Reader))(t))))
	return files
}

// Other programs may read what crypto/x509 passes over.
func TestPrivatePEMHasOneReading(t *testing.T) {
	for _, tt := range twoReadings(t) {
		if key, err := jwk.ParsePrivatePEM(tt.alg, tt.data); !errors.Is(err, tt.want) || (key == nil) != (err != nil) {
			t.Errorf("%s, %s: ParsePrivatePEM = %v, want %v", tt.alg, tt.name, err, tt.want)
		}
	}
}
