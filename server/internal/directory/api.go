package directory

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// APIFields is what an administrator says of an API; what is nil isn't said.
type APIFields struct {
	Audience  *string            `json:"audience"`
	Name      *string            `json:"name"`
	Algorithm *string            `json:"algorithm"`
	AccessTTL *int64             `json:"access_ttl"` // seconds; 0: the server's default
	Scopes    *[]string          `json:"scopes"`
	Claims    *[]string          `json:"claims"`  // the identity claims its tokens carry; not said: all
	Renames   *map[string]string `json:"renames"` // identity claim → its name in this API's tokens

	// StatusList makes the API's tokens name where their status stands in a Token
	// Status List, for verifiers that can't follow the revocation log.
	StatusList *bool `json:"status_list"`
}

// Secret is a shared secret, shown once.
type Secret struct{ KID, Text string }

// Bounds of an API's own lifetime of access tokens.
const (
	MinAccessTTL = 10 * time.Second
	MaxAccessTTL = 24 * time.Hour
)

const maxAudience = 256

// CreateAPI makes an API. With an HMAC algorithm it gets a secret of its own,
// which is answered here and never again.
func (s *Service) CreateAPI(ctx context.Context, actor Actor, in APIFields) (auth.API, *Secret, error) {
	now := s.Now()
	api := auth.API{ID: auth.NewID(auth.PrefixAPI), Scopes: []string{}, CreatedAt: now, UpdatedAt: now}
	if err := s.applyAPI(&api, in); err != nil {
		return api, nil, err
	}
	s.edit.Lock()
	defer s.edit.Unlock()
	if err := s.beginAudience(ctx, actor, api.Audience); err != nil {
		return api, nil, err
	}
	ev := s.event(act{actor, "api.create", api.ID})
	if !hmac(api.Algorithm) {
		return api, nil, failed(s.Directory.CreateAPI(ctx, api, nil, ev), "API")
	}
	text, row, err := s.Keys.NewAPISecret(api.ID, api.Algorithm)
	if err != nil {
		return api, nil, err
	}
	return api, &Secret{row.KID, text}, failed(s.Directory.CreateAPI(ctx, api, &row, ev), "API")
}

// UpdateAPI changes an API. Its audience stays: tokens and verifiers name it.
// So does the kind of its key: who may edit an API could otherwise be given a
// secret under which to make tokens for it.
func (s *Service) UpdateAPI(ctx context.Context, actor Actor, audienceOrID string, in APIFields) (api auth.API, err error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	err = settled("API", func() error {
		api, err = s.updateAPI(ctx, actor, audienceOrID, in)
		return err
	})
	return api, err
}

func (s *Service) updateAPI(ctx context.Context, actor Actor, audienceOrID string, in APIFields) (auth.API, error) {
	api, err := s.API(ctx, audienceOrID)
	if err != nil {
		return api, err
	}
	before := api
	api.UpdatedAt = s.Now()
	if err := s.applyAPI(&api, in); err != nil {
		return api, err
	}
	if api.Audience != before.Audience {
		return api, auth.Invalid("audience", "the audience can't be changed; make another API")
	}
	if api.Algorithm != before.Algorithm && (hmac(api.Algorithm) || hmac(before.Algorithm)) {
		return api, auth.Invalid("algorithm", "an API can't change to or from a shared secret; make another API")
	}
	return api, failed(s.Directory.UpdateAPI(ctx, api, before.UpdatedAt, s.event(act{actor, "api.update", api.ID})), "API")
}

// DeleteAPI removes an API, also from every client that could ask tokens for it.
// Those that are out live until they expire.
func (s *Service) DeleteAPI(ctx context.Context, actor Actor, audienceOrID string) error {
	s.edit.Lock()
	defer s.edit.Unlock()
	api, err := s.API(ctx, audienceOrID)
	if err != nil {
		return err
	}
	if err := s.forgetAudience(ctx, actor, api.Audience); err != nil {
		return err
	}
	return failed(s.Directory.DeleteAPI(ctx, api.ID, s.event(act{actor, "api.delete", api.ID})), "API")
}

// beginAudience takes an audience that is about to be an API's from clients that
// still name it, of an API that was there before.
func (s *Service) beginAudience(ctx context.Context, actor Actor, audience string) error {
	switch _, err := s.Directory.APIByAudience(ctx, audience); {
	case errors.Is(err, auth.ErrNotFound):
		return s.forgetAudience(ctx, actor, audience)
	default: // it is taken, and those clients are its own
		return err
	}
}

// forgetAudience takes an audience from every client that names it. An API that
// is made under the name of one that is gone is another API: nobody has let
// those clients in.
func (s *Service) forgetAudience(ctx context.Context, actor Actor, audience string) error {
	return each(ctx, s.Directory.Clients, func(c auth.Client) (bool, error) {
		if !slices.Contains(c.Audiences, audience) {
			return true, nil
		}
		return true, settled("client", func() error { return s.takeAudience(ctx, actor, c.ID, audience) })
	})
}

func (s *Service) takeAudience(ctx context.Context, actor Actor, clientID, audience string) error {
	c, err := s.Directory.ClientByID(ctx, clientID)
	if errors.Is(err, auth.ErrNotFound) { // gone meanwhile, and so is its right
		return nil
	}
	if err != nil {
		return err
	}
	before, read := c.Audiences, c.UpdatedAt
	c.Audiences, c.UpdatedAt = slices.DeleteFunc(slices.Clone(before), func(a string) bool { return a == audience }), s.Now()
	_, err = s.Directory.UpdateClient(ctx, c, read, nil, c.UpdatedAt, s.changed(act{actor, "client.update", c.ID}, gains("audiences", before, c.Audiences)))
	return failed(err, "client")
}

// API answers one API.
func (s *Service) API(ctx context.Context, audienceOrID string) (auth.API, error) {
	api, err := s.Directory.APIByAudience(ctx, audienceOrID)
	return api, failed(err, "API")
}

func (s *Service) applyAPI(api *auth.API, in APIFields) error {
	set(&api.Audience, in.Audience)
	set(&api.Name, in.Name)
	set((*string)(&api.Algorithm), in.Algorithm)
	set(&api.Scopes, in.Scopes)
	set(&api.Claims, in.Claims)
	set(&api.Renames, in.Renames)
	set(&api.StatusList, in.StatusList)
	if in.AccessTTL != nil {
		if err := checkTTL(*in.AccessTTL); err != nil {
			return err
		}
		api.AccessTTL = time.Duration(*in.AccessTTL) * time.Second
	}
	if err := s.checkAudience(api.Audience); err != nil {
		return err
	}
	return checkAPI(*api)
}

func checkTTL(seconds int64) error {
	least, most := int64(MinAccessTTL/time.Second), int64(MaxAccessTTL/time.Second)
	if seconds != 0 && (seconds < least || seconds > most) {
		return auth.Invalid("access_ttl", "access_ttl must be %d to %d seconds, or 0 for the server's default", least, most)
	}
	return nil
}

// checkAudience refuses the issuer, whose audience is Writ itself, and what
// could be taken for it or for an id.
func (s *Service) checkAudience(audience string) error {
	switch {
	case audience == "" || len(audience) > maxAudience:
		return auth.Invalid("audience", "audience must have 1 to %d characters", maxAudience)
	case strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r > '~' }):
		return auth.Invalid("audience", "audience may have printable ASCII characters only, and no spaces")
	case strings.EqualFold(strings.TrimRight(audience, "/"), s.Issuer):
		return auth.Invalid("audience", "the issuer itself is Writ's own audience")
	case strings.HasPrefix(audience, auth.PrefixAPI):
		return auth.Invalid("audience", "an audience that begins with %q would look like an id", auth.PrefixAPI)
	}
	return nil
}

func checkAPI(api auth.API) error {
	if err := checkText("name", api.Name, maxName); err != nil {
		return err
	}
	if api.Algorithm != "" && !slices.Contains(Algorithms(), api.Algorithm) && !hmac(api.Algorithm) {
		return auth.Invalid("algorithm", "algorithm must be one of %v or HS256, HS384, HS512", Algorithms())
	}
	if err := checkWords("scopes", api.Scopes); err != nil {
		return err
	}
	if err := checkSet("claims", api.Claims); err != nil {
		return err
	}
	for _, name := range api.Claims {
		if !slices.Contains(auth.IdentityClaims(), name) {
			return auth.Invalid("claims", "claims must be among %v", auth.IdentityClaims())
		}
	}
	return checkRenames(api.Renames)
}

// checkRenames lets an identity claim be called what means nothing yet.
func checkRenames(renames map[string]string) error {
	targets := slices.Collect(maps.Values(renames))
	if err := checkWords("renames", targets); err != nil {
		return err
	}
	for from, to := range renames {
		if !slices.Contains(auth.IdentityClaims(), from) {
			return auth.Invalid("renames", "renames must be of claims among %v", auth.IdentityClaims())
		}
		if auth.ReservedClaim(to) {
			return auth.Invalid("renames", "%q is a reserved claim", to)
		}
	}
	return nil
}

// Algorithms lists the algorithms of key pairs with which an API's tokens can
// be signed.
func Algorithms() []jwk.Algorithm {
	return []jwk.Algorithm{jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA, jwk.Ed25519,
		jwk.RS256, jwk.RS384, jwk.RS512, jwk.PS256, jwk.PS384, jwk.PS512}
}

func hmac(alg jwk.Algorithm) bool { return alg == jwk.HS256 || alg == jwk.HS384 || alg == jwk.HS512 }
