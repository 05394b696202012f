package directory

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// ClientFields is what an administrator says of a client, in the names of RFC
// 7591; what is nil isn't said.
type ClientFields struct {
	ID                      *string         `json:"client_id"`
	Name                    *string         `json:"client_name"`
	RedirectURIs            *[]string       `json:"redirect_uris"`
	PostLogoutRedirectURIs  *[]string       `json:"post_logout_redirect_uris"`
	GrantTypes              *[]string       `json:"grant_types"`
	TokenEndpointAuthMethod *string         `json:"token_endpoint_auth_method"`
	JWKS                    json.RawMessage `json:"jwks"`
	JWKSURI                 *string         `json:"jwks_uri"`
	Scope                   *string         `json:"scope"`
	Audiences               *[]string       `json:"audiences"`
	AllowedOrigins          *[]string       `json:"allowed_origins"`
	BackchannelLogoutURI    *string         `json:"backchannel_logout_uri"`
	BackchannelSession      *bool           `json:"backchannel_logout_session_required"`
	RequirePushed           *bool           `json:"require_pushed_authorization_requests"`
	IDTokenAlgorithm        *jwk.Algorithm  `json:"id_token_signed_response_alg"`
	SkipConsent             *bool           `json:"skip_consent"`
	DPoPBound               *bool           `json:"dpop_bound_access_tokens"` // RFC 9449, section 5.2
	Claims                  json.RawMessage `json:"claims"`
	Disabled                *bool           `json:"disabled"`
}

// Authentication methods of clients at the token endpoint, and grant types.
const (
	authBasic = auth.AuthSecretBasic
	authPost  = auth.AuthSecretPost
	authKey   = auth.AuthPrivateKeyJWT
	authNone  = auth.AuthNone

	grantCode    = auth.GrantAuthorizationCode
	grantRefresh = auth.GrantRefreshToken
	grantClient  = auth.GrantClientCredentials
	grantDevice  = auth.GrantDeviceCode
	grantJWT     = auth.GrantJWTBearer
	grantToken   = auth.GrantTokenExchange
)

const maxClientID = 128

// CreateClient makes a client. One that authenticates with a secret gets it
// here and never again: 256 random bits, of which a hash is kept.
func (s *Service) CreateClient(ctx context.Context, actor Actor, in ClientFields) (c auth.Client, secret string, err error) {
	now := s.Now()
	c = auth.Client{ID: auth.NewID(auth.PrefixClient), TokenEndpointAuthMethod: authBasic, Epoch: auth.Random128(), CreatedAt: now, UpdatedAt: now}
	if in.ID != nil {
		if err := checkClientID(*in.ID); err != nil {
			return c, "", err
		}
		c.ID = *in.ID
	}
	if err := s.applyClient(ctx, &c, in); err != nil {
		return c, "", err
	}
	var row *auth.ClientSecret
	if hasSecret(c) {
		secret, row = newClientSecret(c)
	}
	err = s.Directory.CreateClient(ctx, c, row, s.event(act{actor, "client.create", c.ID}))
	var conflict *auth.ConflictError
	if errors.As(err, &conflict) {
		err = &auth.ConflictError{Field: "client_id"}
	}
	return c, secret, failed(err, "client")
}

func newClientSecret(c auth.Client) (string, *auth.ClientSecret) {
	var b [32]byte
	rand.Read(b[:])
	text := base64.RawURLEncoding.EncodeToString(b[:])
	return text, &auth.ClientSecret{ID: auth.NewID(auth.PrefixSecret), ClientID: c.ID, Hash: sha256.Sum256([]byte(text)), CreatedAt: c.CreatedAt}
}

// UpdateClient changes a client; disabling it ends everything it holds. The
// client "writ" is the sign-in itself: only its name and origins can be
// changed, and only by an administrator, for its origins may use our cookies.
func (s *Service) UpdateClient(ctx context.Context, actor Actor, id string, in ClientFields) (c auth.Client, seq uint64, err error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	err = settled("client", func() error {
		c, seq, err = s.updateClient(ctx, actor, id, in)
		return err
	})
	return c, seq, err
}

func (s *Service) updateClient(ctx context.Context, actor Actor, id string, in ClientFields) (c auth.Client, seq uint64, err error) {
	before, a, err := s.reachClient(ctx, actor, "client.update", id)
	if err != nil {
		return c, 0, err
	}
	c = before
	c.UpdatedAt = s.Now()
	if in.ID != nil && *in.ID != id {
		return c, 0, auth.Invalid("client_id", "the id of a client can't be changed")
	}
	if err := s.applyClient(ctx, &c, in); err != nil {
		return c, 0, err
	}
	if hasSecret(c) && !hasSecret(before) {
		return c, 0, auth.Invalid("token_endpoint_auth_method", "this client has no secret; make another client")
	}
	if id == auth.ClientWrit && !sameSignIn(before, in) {
		return c, 0, s.forbid(ctx, a, "", "this client is the sign-in itself")
	}
	var end *auth.Ending
	if c.Disabled && !before.Disabled {
		end = &auth.Ending{ClientID: id, NewEpoch: auth.Random128(), Reason: "disabled"}
	}
	seq, err = s.Directory.UpdateClient(ctx, c, before.UpdatedAt, end, c.UpdatedAt, s.event(a))
	return c, seq, failed(err, "client")
}

// sameSignIn says whether in leaves of the client "writ" what must stay.
func sameSignIn(writ auth.Client, in ClientFields) bool {
	return in.RedirectURIs == nil && in.PostLogoutRedirectURIs == nil && in.GrantTypes == nil && in.TokenEndpointAuthMethod == nil &&
		in.JWKS == nil && in.JWKSURI == nil && in.IDTokenAlgorithm == nil && in.SkipConsent == nil && in.DPoPBound == nil && in.Scope == nil && in.Audiences == nil && in.BackchannelLogoutURI == nil && in.BackchannelSession == nil && in.RequirePushed == nil &&
		in.Claims == nil && (in.Disabled == nil || *in.Disabled == writ.Disabled)
}

// DeleteClient ends everything of a client and removes it.
func (s *Service) DeleteClient(ctx context.Context, actor Actor, id string) (uint64, error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	_, a, err := s.reachClient(ctx, actor, "client.delete", id)
	if err != nil {
		return 0, err
	}
	if id == auth.ClientWrit {
		return 0, s.forbid(ctx, a, "", "this client is the sign-in itself")
	}
	seq, err := s.Directory.DeleteClient(ctx, id, s.Now(), s.event(a))
	return seq, failed(err, "client")
}

// Client answers one client.
func (s *Service) Client(ctx context.Context, id string) (auth.Client, error) {
	c, err := s.Directory.ClientByID(ctx, id)
	return c, failed(err, "client")
}

func (s *Service) reachClient(ctx context.Context, actor Actor, action, id string) (auth.Client, act, error) {
	a := act{actor, action, id}
	c, err := s.Client(ctx, id)
	if err != nil {
		return c, a, err
	}
	return c, a, s.mayClient(ctx, a)
}

func (s *Service) mayClient(ctx context.Context, a act) error {
	if a.target != auth.ClientWrit {
		return nil
	}
	return s.within(ctx, a, "", []string{auth.PermissionAdmin})
}

// MayEndClient refuses to let anybody but an administrator end everything of
// the client "writ": that is everybody's sign-in.
func (s *Service) MayEndClient(ctx context.Context, actor Actor, id string) error {
	return s.mayClient(ctx, act{actor, "client.end_sessions", id})
}

// checkClientID keeps a client's id apart from a user's: an API that looks at
// sub alone would take the client for the user (RFC 9700, section 4.15).
func checkClientID(id string) error {
	if id == "" || len(id) > maxClientID || !onlyOf(id, "._~-") {
		return auth.Invalid("client_id", "client_id must be 1 to %d letters, digits or any of . _ ~ -", maxClientID)
	}
	if looksLikeUser(id) {
		return auth.Invalid("client_id", "client_id can't begin with %q, as users' ids do", auth.PrefixUser)
	}
	for _, ours := range []string{auth.ClientWrit, OperatorID} { // one or the other in a token or in the audit
		if id != auth.ClientWrit && strings.EqualFold(id, ours) {
			return auth.Invalid("client_id", "client_id can't be %q, which could be taken for Writ's own", id)
		}
	}
	return nil
}

func (s *Service) applyClient(ctx context.Context, c *auth.Client, in ClientFields) (err error) {
	set(&c.Name, in.Name)
	set(&c.RedirectURIs, in.RedirectURIs)
	set(&c.PostLogoutRedirectURIs, in.PostLogoutRedirectURIs)
	set(&c.TokenEndpointAuthMethod, in.TokenEndpointAuthMethod)
	set(&c.JWKSURI, in.JWKSURI)
	set(&c.Scope, in.Scope)
	set(&c.Audiences, in.Audiences)
	set(&c.AllowedOrigins, in.AllowedOrigins)
	set(&c.BackchannelLogoutURI, in.BackchannelLogoutURI)
	set(&c.BackchannelSession, in.BackchannelSession)
	set(&c.RequirePushed, in.RequirePushed)
	set(&c.IDTokenAlgorithm, in.IDTokenAlgorithm)
	set(&c.SkipConsent, in.SkipConsent)
	set(&c.DPoPBound, in.DPoPBound)
	set(&c.Disabled, in.Disabled)
	set(&c.GrantTypes, in.GrantTypes)
	c.Scope = strings.Join(strings.Fields(c.Scope), " ")
	if c.GrantTypes == nil {
		c.GrantTypes = usualGrants(*c)
	}
	if in.Claims != nil {
		if c.Claims, err = checkClaims("claims", in.Claims); err != nil {
			return err
		}
	}
	if in.JWKS != nil {
		if c.JWKS, err = checkJWKS(in.JWKS); err != nil {
			return err
		}
	}
	if err := checkClient(*c); err != nil {
		return err
	}
	return s.checkAudiences(ctx, in.Audiences)
}

// usualGrants are those of a client that names none: with somewhere to send a
// browser it signs people in, without it speaks for itself.
func usualGrants(c auth.Client) []string {
	switch {
	case len(c.RedirectURIs) > 0:
		return []string{grantCode, grantRefresh}
	case c.TokenEndpointAuthMethod == authNone:
		return []string{}
	}
	return []string{grantClient}
}

// checkJWKS wants a set of public keys, none of them malformed; {"keys":[]}
// removes it.
func checkJWKS(data json.RawMessage) (json.RawMessage, error) {
	keys, err := jwk.ParseSet(data)
	if err != nil {
		return nil, &auth.Error{Code: auth.CodeInvalid, Field: "jwks", Message: "jwks is no set of public keys", Err: err}
	}
	for _, reason := range keys.Skipped() {
		if errors.Is(reason, jwk.ErrMalformed) { // whoever sent it can mend it now
			return nil, auth.Invalid("jwks", "jwks: %v", reason)
		}
	}
	for range keys.All() {
		return data, nil
	}
	return nil, nil
}

func checkClient(c auth.Client) error {
	return cmp.Or(
		checkText("client_name", c.Name, maxName),
		checkRedirectURIs("redirect_uris", c.RedirectURIs),
		checkRedirectURIs("post_logout_redirect_uris", c.PostLogoutRedirectURIs),
		checkURL("backchannel_logout_uri", c.BackchannelLogoutURI),
		checkURL("jwks_uri", c.JWKSURI),
		checkOrigins("allowed_origins", c.AllowedOrigins),
		checkWords("scope", strings.Fields(c.Scope)),
		checkGrants(c),
		checkAuthMethod(c),
		checkIDAlgorithm(c),
	)
}

// checkIDAlgorithm wants one that the client can verify by the key set: with a
// shared secret, whoever the client lends it to could sign people in.
func checkIDAlgorithm(c auth.Client) error {
	if c.IDTokenAlgorithm == "" || slices.Contains(Algorithms(), c.IDTokenAlgorithm) {
		return nil
	}
	return auth.Invalid("id_token_signed_response_alg", "id_token_signed_response_alg must be among %v", Algorithms())
}

func checkGrants(c auth.Client) error {
	if err := checkSet("grant_types", c.GrantTypes); err != nil {
		return err
	}
	known := []string{grantCode, grantRefresh, grantClient, grantJWT, grantDevice, grantToken}
	for _, g := range c.GrantTypes {
		if !slices.Contains(known, g) {
			return auth.Invalid("grant_types", "grant_types must be among %v", known)
		}
	}
	if slices.Contains(c.GrantTypes, grantCode) && len(c.RedirectURIs) == 0 {
		return auth.Invalid("redirect_uris", "a client with %s needs redirect_uris", grantCode)
	}
	for _, g := range []string{grantClient, grantJWT, grantToken} {
		if slices.Contains(c.GrantTypes, g) && c.TokenEndpointAuthMethod == authNone {
			return auth.Invalid("grant_types", "a client that can't authenticate can't have %s", g)
		}
	}
	if slices.Contains(c.GrantTypes, grantJWT) && len(c.JWKS) == 0 && c.JWKSURI == "" {
		return auth.Invalid("jwks", "a client with %s needs jwks or jwks_uri", grantJWT)
	}
	// People have agreed to what a third party's application may have, and an
	// exchange asks nobody.
	if slices.Contains(c.GrantTypes, grantToken) && c.ThirdParty() {
		return auth.Invalid("grant_types", "a client that people are asked about can't have %s", grantToken)
	}
	return nil
}

func checkAuthMethod(c auth.Client) error {
	if len(c.JWKS) > 0 && c.JWKSURI != "" {
		return auth.Invalid("jwks", "jwks and jwks_uri exclude each other (RFC 7591, section 2)")
	}
	switch c.TokenEndpointAuthMethod {
	case authBasic, authPost, authNone:
		return nil
	case authKey:
		if len(c.JWKS) == 0 && c.JWKSURI == "" {
			return auth.Invalid("jwks", "%s needs jwks or jwks_uri", authKey)
		}
		return nil
	}
	return auth.Invalid("token_endpoint_auth_method", "token_endpoint_auth_method must be %s, %s, %s or %s", authBasic, authPost, authKey, authNone)
}

func hasSecret(c auth.Client) bool {
	return c.TokenEndpointAuthMethod == authBasic || c.TokenEndpointAuthMethod == authPost
}

// checkAudiences wants each to be an API that exists: to one made later under
// that name, nobody would have let this client.
func (s *Service) checkAudiences(ctx context.Context, audiences *[]string) error {
	if audiences == nil {
		return nil
	}
	if err := checkSet("audiences", *audiences); err != nil {
		return err
	}
	for _, audience := range *audiences {
		api, err := s.Directory.APIByAudience(ctx, audience)
		if errors.Is(err, auth.ErrNotFound) || err == nil && api.Audience != audience {
			return auth.Invalid("audiences", "no API has the audience %.128q", audience)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
