package main

import (
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// detach writes what a token's signature is over, and the signature in the form
// that openssl takes: detach token text.out signature.out. It is written without
// the library under test.
func detach(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: detach token text signature")
	}
	i := strings.LastIndexByte(args[0], '.')
	if i < 0 {
		ts.Fatalf("not a token: %q", args[0])
	}
	text := args[0][:i]
	sig, err := base64.RawURLEncoding.DecodeString(args[0][i+1:])
	ts.Check(err)
	head, _, _ := strings.Cut(text, ".")
	header, err := base64.RawURLEncoding.DecodeString(head)
	ts.Check(err)
	var h struct{ Alg string }
	ts.Check(json.Unmarshal(header, &h))
	if strings.HasPrefix(h.Alg, "ES") {
		sig, err = toDER(sig)
		ts.Check(err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), sig, 0o600))
}

// toDER writes r and s as X9.62 does: JWS has them side by side (RFC 7518,
// section 3.4).
func toDER(sig []byte) ([]byte, error) {
	half := len(sig) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])})
}
