package e2e

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"
	oauth2jwt "golang.org/x/oauth2/jwt"

	"github.com/writ-auth/writ/jwk"
)

// TestJWTBearerInGo: golang.org/x/oauth2/jwt, which was written for another
// server, gets a token with a service's key and calls an API behind our guard.
func TestJWTBearerInGo(t *testing.T) {
	s := running(t)
	s.makeAPI()
	api := protect(t, s)
	key := generate(t, jwk.RS256)
	private, err := key.ExportPEM()
	if err != nil {
		t.Fatal(err)
	}
	s.service("robot", map[string]any{
		"token_endpoint_auth_method": "private_key_jwt", "grant_types": []string{"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"jwks": map[string]any{"keys": []any{key.Public()}},
	})
	config := oauth2jwt.Config{
		Email: "robot", Subject: "robot", PrivateKey: private, PrivateKeyID: key.KeyID(),
		TokenURL: s.url("/oauth/token"), Audience: s.url(""), Expires: time.Minute,
	}
	res, err := config.Client(t.Context()).Get(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the API answers %d", res.StatusCode)
	}
	config.Audience = s.url("/oauth/token") // what it says unless it is told better
	var refused *oauth2.RetrieveError
	if _, err := config.TokenSource(t.Context()).Token(); !errors.As(err, &refused) || refused.Response.StatusCode != 400 {
		t.Errorf("an assertion for the endpoint: %v", err)
	}
}
