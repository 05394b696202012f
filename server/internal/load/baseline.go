package load

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"runtime"

	"golang.org/x/crypto/argon2"
)

// Baselines is a handler with nothing of Writ in it, for comparison: what is
// left between Writ's rate and theirs is what Writ costs.
//
//	/empty  does nothing
//	/sign   makes one ES256 signature and answers it
//	/hash   makes one password hash, as many at a time as there are processors
func Baselines() (http.Handler, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/empty":
		case "/sign":
			sign(w, key)
		case "/hash":
			places <- struct{}{}
			defer func() { <-places }()
			_, _ = w.Write(argon2.IDKey([]byte("password"), []byte("0123456789abcdef"), 2, 19<<10, 1, 32))
		default:
			http.NotFound(w, r)
		}
	}), nil
}

// sign signs as many bytes as an access token has.
func sign(w http.ResponseWriter, key *ecdsa.PrivateKey) {
	var token [500]byte
	sum := sha256.Sum256(token[:])
	signature, err := key.Sign(nil, sum[:], crypto.SHA256) // as Writ does, and the fastest there is: RFC 6979
	if err != nil {
		http.Error(w, fmt.Sprint(err), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(signature) // a client that went away is no error of ours
}
