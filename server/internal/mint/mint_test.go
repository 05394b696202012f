package mint_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/store"
)

const (
	issuer   = "https://auth.example.com"
	audience = "https://api.example.com"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 500_000, time.UTC)

func setUp(t *testing.T) (*mint.Mint, *keyring.Ring) {
	t.Helper()
	m, ring, _ := setUpStore(t)
	return m, ring
}

func setUpStore(t *testing.T) (*mint.Mint, *keyring.Ring, *store.Store) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "writ.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	sealer, err := keyring.NewSealer(make([]byte, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(t.Context(), keyring.Options{Keys: s, Secrets: s, Sealer: sealer,
		Algorithm: jwk.ES256, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return mint.New(issuer, ring), ring, s
}

func request(aud string) mint.Request {
	return mint.Request{
		User: auth.User{ID: "usr_1", Email: "ada@example.com", VerifiedAt: noon, Username: "ada", Name: "Ada \"L\"\u2028",
			Claims: json.RawMessage(`{"plan":"pro","limits":{"seats":3}}`)},
		Session:     auth.Session{ID: "ses_1", AuthTime: noon.Add(-time.Minute), AMR: []string{"pwd"}},
		Grant:       auth.Grant{ID: "sid-1", ClientID: "writ", Mode: auth.ModeToken, UserEpoch: "e-user", ClientEpoch: "e-client"},
		API:         auth.API{Audience: aud},
		Org:         "acme",
		Roles:       []string{"editor", "writ:admin"},
		Permissions: []string{"orders.read", "writ:admin"},
		Now:         noon,
		Expiry:      noon.Add(15 * time.Minute),
	}
}

// parts decodes a token's header and payload.
func parts(t *testing.T, token string) (header, payload map[string]any) {
	t.Helper()
	for i, dst := range []*map[string]any{&header, &payload} {
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, dst); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return header, payload
}

func TestAccess(t *testing.T) {
	m, ring := setUp(t)
	got, err := m.Access(t.Context(), request(audience))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwt.NewVerifier[jwt.AccessClaims](ring, withClock(jwt.AccessToken(issuer, audience)))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := v.Verify(t.Context(), got.Token)
	if err != nil {
		t.Fatalf("our own verifier refuses it: %v", err)
	}
	c := tok.Claims()
	if c.Subject != "usr_1" || c.SessionID != "sid-1" || c.ClientID != "writ" || c.ID != got.ID || c.Org != "acme" {
		t.Errorf("claims %+v", c)
	}
	if want := noon.Add(15 * time.Minute).Truncate(time.Second); !c.Expiry.Time().Equal(want) || !got.Expiry.Equal(want) {
		t.Errorf("exp %v and %v, want %v", c.Expiry.Time(), got.Expiry, want)
	}
	header, payload := parts(t, got.Token)
	if len(header) != 3 || header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" {
		t.Errorf("header %v", header)
	}
	if payload["plan"] != "pro" || payload["name"] != "Ada \"L\"\u2028" || payload["email_verified"] != true {
		t.Errorf("payload %v", payload)
	}
	for name := range payload {
		switch name {
		case "iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "epochs", "auth_time", "amr",
			"email", "email_verified", "name", "preferred_username", "org", "roles", "permissions", "plan", "limits":
		default:
			t.Errorf("a claim that nobody asked for: %q", name)
		}
	}
}

func withClock(e jwt.Expect) jwt.Expect {
	e.Now = func() time.Time { return noon }
	return e
}

func TestReservedNamesStayHome(t *testing.T) {
	m, _ := setUp(t)
	for _, c := range []struct{ aud, roles, permissions string }{
		{audience, "[editor]", "[orders.read]"},
		{issuer, "[editor writ:admin]", "[orders.read writ:admin]"},
	} {
		got, err := m.Access(t.Context(), request(c.aud))
		if err != nil {
			t.Fatal(err)
		}
		_, payload := parts(t, got.Token)
		if text(payload["roles"]) != c.roles || text(payload["permissions"]) != c.permissions {
			t.Errorf("%s: roles %v, permissions %v", c.aud, payload["roles"], payload["permissions"])
		}
	}
}

func text(list any) string {
	var names []string
	for _, v := range list.([]any) {
		names = append(names, v.(string))
	}
	return "[" + strings.Join(names, " ") + "]"
}

func TestUnverifiedEmailIsNoIdentity(t *testing.T) {
	m, _ := setUp(t)
	req := request(audience)
	req.User.VerifiedAt = time.Time{}
	got, err := m.Access(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, payload := parts(t, got.Token); payload["email"] != nil || payload["email_verified"] != nil {
		t.Errorf("payload %v", payload)
	}
}

func TestAPIChoosesAndRenames(t *testing.T) {
	m, _ := setUp(t)
	req := request(audience)
	req.API.Claims = []string{"roles", "name"}
	req.API.Renames = map[string]string{"roles": "role"}
	got, err := m.Access(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	_, payload := parts(t, got.Token)
	if text(payload["role"]) != "[editor]" || payload["roles"] != nil || payload["name"] == nil {
		t.Errorf("payload %v", payload)
	}
	for _, name := range []string{"email", "preferred_username", "org", "permissions"} {
		if payload[name] != nil {
			t.Errorf("%s is there, though the API did not choose it", name)
		}
	}
}

// TestCustomClaimsBendNothing: whatever stands in a user's claims, what
// verifiers act on is the server's word.
func TestCustomClaimsBendNothing(t *testing.T) {
	m, _ := setUp(t)
	req := request(audience)
	req.User.Claims = json.RawMessage(`{"sub":"usr_2","aud":"x","exp":9999999999,"roles":["admin"],"epochs":[],"cnf":{},"writ_x":1,"ok":1}`)
	got, err := m.Access(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	_, payload := parts(t, got.Token)
	if payload["sub"] != "usr_1" || payload["aud"] != audience || text(payload["roles"]) != "[editor]" ||
		payload["cnf"] != nil || payload["writ_x"] != nil || payload["ok"] != 1.0 {
		t.Errorf("payload %v", payload)
	}
}

// TestCustomClaimsInOtherLetterCase: to a verifier that reads claims with
// encoding/json, "SUB" is "sub", and the later of the two counts.
func TestCustomClaimsInOtherLetterCase(t *testing.T) {
	m, _ := setUp(t)
	req := request(audience)
	req.API.Renames = map[string]string{"permissions": "rights"}
	req.User.Claims = json.RawMessage(`{"SUB":"usr_2","Exp":9999999999,"ROLES":["admin"],"e\u017fcope":1,"\u017fcope":"all","To\u212aen":1,"RIGHTS":["all"]}`)
	got, err := m.Access(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(got.Token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Subject string   `json:"sub"`
		Expiry  int64    `json:"exp"`
		Roles   []string `json:"roles"`
		Scope   string   `json:"scope"`
		Rights  []string `json:"rights"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if read.Subject != "usr_1" || read.Expiry != got.Expiry.Unix() || len(read.Roles) != 1 || read.Roles[0] != "editor" ||
		read.Scope != "" || len(read.Rights) != 1 || read.Rights[0] != "orders.read" {
		t.Errorf("encoding/json reads %+v in %s", read, text)
	}
}

// TestCustomClaimsAreNoRoles: what an API calls its roles is nobody's own claim.
func TestCustomClaimsAreNoRoles(t *testing.T) {
	m, _ := setUp(t)
	req := request(audience)
	req.API.Renames = map[string]string{"roles": "role"}
	req.Roles = nil
	req.User.Claims = json.RawMessage(`{"role":["admin"]}`)
	got, err := m.Access(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, payload := parts(t, got.Token); payload["role"] != nil {
		t.Errorf("payload %v", payload)
	}
}

func TestTooLarge(t *testing.T) {
	m, _ := setUp(t)
	for _, c := range []struct {
		mode auth.Mode
		size int
		ok   bool
	}{
		{auth.ModeToken, 4000, true}, {auth.ModeCookie, 4000, false},
		{auth.ModeCookie, 1000, true}, {auth.ModeToken, 8000, false},
	} {
		req := request(audience)
		req.Grant.Mode = c.mode
		req.User.Claims, _ = json.Marshal(map[string]string{"notes": strings.Repeat("x", c.size), "small": "y"})
		_, err := m.Access(t.Context(), req)
		var e *auth.Error
		switch {
		case c.ok && err != nil:
			t.Errorf("%s mode, %d bytes: %v", c.mode, c.size, err)
		case !c.ok && (!errors.As(err, &e) || e.Code != auth.CodeTokenTooLarge || !strings.Contains(e.Message, "notes (")):
			t.Errorf("%s mode, %d bytes: %v; want token_too_large that names notes", c.mode, c.size, err)
		}
	}
}

func TestPasswordChangeIsNoAccessToken(t *testing.T) {
	m, ring := setUp(t)
	token, err := m.PasswordChange(t.Context(), auth.User{ID: "usr_1", Epoch: "e"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwt.NewVerifier[jwt.AccessClaims](ring, withClock(jwt.AccessToken(issuer, issuer)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwt.ErrType) {
		t.Errorf("taken for an access token: %v", err)
	}
}

func TestSharedSecret(t *testing.T) {
	m, ring, rows := setUpStore(t)
	api := auth.API{ID: "api_1", Audience: audience, Algorithm: jwk.HS256}
	req := request(audience)
	req.API = api
	if _, err := m.Access(t.Context(), req); err == nil {
		t.Error("a token was signed with a secret that does not exist")
	}
	shown, row, err := ring.NewAPISecret(api.ID, api.Algorithm)
	if err != nil {
		t.Fatal(err)
	}
	if err := rows.CreateAPI(t.Context(), api, &row, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	got, err := m.Access(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := jwk.NewSecret(jwk.HS256, []byte(shown))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwt.NewVerifier[jwt.AccessClaims](secret, withClock(jwt.AccessToken(issuer, audience)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), got.Token); err != nil {
		t.Errorf("the secret that was shown does not verify the token: %v", err)
	}
	if header, _ := parts(t, got.Token); header["kid"] != row.KID {
		t.Errorf("kid %v, want %q", header["kid"], row.KID)
	}
}
