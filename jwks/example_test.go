package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
)

// One service publishes its key, another finds it.
func Example() {
	key, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		panic(err)
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(jwks.Handler(func() *jwk.Set { return set }, 10*time.Minute))
	defer server.Close()

	keys, err := jwks.New(jwks.Config{URL: server.URL + "/jwks.json"})
	if err != nil {
		panic(err)
	}
	defer keys.Close()
	found, err := keys.FindKey(context.Background(), jwk.EdDSA, key.KeyID())
	fmt.Println(found.KeyID() == key.KeyID(), err)
	_, err = keys.FindKey(context.Background(), jwk.EdDSA, "made up")
	fmt.Println(errors.Is(err, jwk.ErrNotFound))
	// Output:
	// true <nil>
	// true
}

func ExampleHandler() {
	var current *jwk.Set // what your key rotation maintains
	http.Handle("GET /.well-known/jwks.json", jwks.Handler(func() *jwk.Set { return current }, 10*time.Minute))
}
