package admin

import (
	"encoding/json"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
)

// The shapes of answers. Each lists what it shows: a field that is added to the
// domain, a hash above all, shows up nowhere by itself.

type userView struct {
	ID            string          `json:"id"`
	Email         string          `json:"email"`
	EmailVerified bool            `json:"email_verified"`
	Username      string          `json:"username"`
	Name          string          `json:"name"`
	Roles         []string        `json:"roles"`
	Claims        json.RawMessage `json:"claims"`
	Disabled      bool            `json:"disabled"`
	HasPassword   bool            `json:"has_password"`
	MustChange    bool            `json:"must_change_password"`
	CreatedAt     time.Time       `json:"created_at"`
	UpdatedAt     time.Time       `json:"updated_at"`
	ended                         // where the change ended sessions
}

func viewUser(u auth.User) userView {
	return userView{ID: u.ID, Email: u.Email, EmailVerified: !u.VerifiedAt.IsZero(), Username: u.Username, Name: u.Name,
		Roles: some(u.Roles), Claims: object(u.Claims), Disabled: u.Disabled, HasPassword: u.PasswordHash != "",
		MustChange: u.MustChange, CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC()}
}

type roleView struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Permissions []string  `json:"permissions"`
	CreatedAt   time.Time `json:"created_at"`
}

func viewRole(r auth.Role) roleView {
	return roleView{r.ID, r.Name, some(r.Permissions), r.CreatedAt.UTC()}
}

type orgView struct {
	ID        string    `json:"id"`
	Slug      string    `json:"slug"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

func viewOrg(o auth.Org) orgView { return orgView{o.ID, o.Slug, o.Name, o.CreatedAt.UTC()} }

type memberView struct {
	OrgID  string   `json:"org_id"`
	UserID string   `json:"user_id"`
	Roles  []string `json:"roles"`
	ended           // where the change ended sessions
}

func viewMember(m auth.Member) memberView {
	return memberView{OrgID: m.OrgID, UserID: m.UserID, Roles: some(m.Roles)}
}

type apiView struct {
	ID        string            `json:"id"`
	Audience  string            `json:"audience"`
	Name      string            `json:"name"`
	Algorithm jwk.Algorithm     `json:"algorithm,omitempty"`  // absent: the server's default
	AccessTTL int64             `json:"access_ttl,omitempty"` // seconds; absent: the server's default
	Scopes    []string          `json:"scopes"`
	Claims    []string          `json:"claims"`
	Renames   map[string]string `json:"renames"`
	Status    bool              `json:"status_list"`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
	Secret    string            `json:"secret,omitempty"` // once, in the answer that makes it
	SecretKID string            `json:"secret_kid,omitempty"`
}

func viewAPI(a auth.API) apiView {
	claims := a.Claims
	if claims == nil {
		claims = auth.IdentityClaims()
	}
	renames := a.Renames
	if renames == nil {
		renames = map[string]string{}
	}
	return apiView{ID: a.ID, Audience: a.Audience, Name: a.Name, Algorithm: a.Algorithm, AccessTTL: int64(a.AccessTTL / time.Second),
		Scopes: some(a.Scopes), Claims: some(claims), Renames: renames, Status: a.StatusList, CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC()}
}

// made is a new API with its secret, if it has one.
type made struct {
	api    auth.API
	secret *directory.Secret
}

func viewMade(m made) apiView {
	v := viewAPI(m.api)
	if m.secret != nil {
		v.Secret, v.SecretKID = m.secret.Text, m.secret.KID
	}
	return v
}

// clientView has the names of RFC 7591, section 3.2.1.
type clientView struct {
	ID                      string          `json:"client_id"`
	Secret                  string          `json:"client_secret,omitempty"` // once, in the answer that makes it
	SecretExpiresAt         *int64          `json:"client_secret_expires_at,omitempty"`
	IssuedAt                int64           `json:"client_id_issued_at"`
	Name                    string          `json:"client_name"`
	RedirectURIs            []string        `json:"redirect_uris"`
	PostLogoutRedirectURIs  []string        `json:"post_logout_redirect_uris"`
	GrantTypes              []string        `json:"grant_types"`
	TokenEndpointAuthMethod string          `json:"token_endpoint_auth_method"`
	JWKS                    json.RawMessage `json:"jwks,omitempty"`
	JWKSURI                 string          `json:"jwks_uri,omitempty"`
	Scope                   string          `json:"scope"`
	Audiences               []string        `json:"audiences"`
	AllowedOrigins          []string        `json:"allowed_origins"`
	BackchannelLogoutURI    string          `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession      bool            `json:"backchannel_logout_session_required"`
	RequirePushed           bool            `json:"require_pushed_authorization_requests"`
	IDTokenAlgorithm        jwk.Algorithm   `json:"id_token_signed_response_alg,omitempty"` // absent: RS256
	SkipConsent             bool            `json:"skip_consent"`
	DPoPBound               bool            `json:"dpop_bound_access_tokens"`
	Claims                  json.RawMessage `json:"claims"`
	Disabled                bool            `json:"disabled"`
	CreatedAt               time.Time       `json:"created_at"`
	UpdatedAt               time.Time       `json:"updated_at"`
	ended                                   // where the change ended grants
}

func viewClient(c auth.Client) clientView {
	return clientView{ID: c.ID, IssuedAt: c.CreatedAt.Unix(), Name: c.Name, RedirectURIs: some(c.RedirectURIs),
		PostLogoutRedirectURIs: some(c.PostLogoutRedirectURIs), GrantTypes: some(c.GrantTypes),
		BackchannelSession: c.BackchannelSession, RequirePushed: c.RequirePushed,
		TokenEndpointAuthMethod: c.TokenEndpointAuthMethod, JWKS: c.JWKS, JWKSURI: c.JWKSURI, Scope: c.Scope,
		Audiences: some(c.Audiences), AllowedOrigins: some(c.AllowedOrigins), BackchannelLogoutURI: c.BackchannelLogoutURI,
		IDTokenAlgorithm: c.IDTokenAlgorithm, SkipConsent: c.SkipConsent, DPoPBound: c.DPoPBound,
		Claims: object(c.Claims), Disabled: c.Disabled, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC()}
}

type sessionView struct {
	ID         string    `json:"id"`
	UserID     string    `json:"user_id"`
	Device     string    `json:"device"`
	Address    string    `json:"address"`
	AMR        []string  `json:"amr"`
	AuthTime   time.Time `json:"auth_time"`
	LastSeenAt time.Time `json:"last_seen_at"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

func viewSession(s auth.Session) sessionView {
	return sessionView{s.ID, s.UserID, s.Device, s.Address, some(s.AMR), s.AuthTime.UTC(), s.LastSeenAt.UTC(), s.CreatedAt.UTC(), s.IdleExpiry.UTC()}
}

type eventView struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`
	Action  string    `json:"action"`
	Target  string    `json:"target"`
	Address string    `json:"address"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason"`
}

func viewEvent(e auth.Event) eventView {
	return eventView{e.ID, e.At.UTC(), e.Actor, e.Action, e.Target, e.Address, e.Verdict, e.Reason}
}

// keyView shows of a key what the key set shows, and where it is in its life.
type keyView struct {
	KID            string        `json:"kid"`
	Algorithm      jwk.Algorithm `json:"algorithm"`
	State          auth.KeyState `json:"state"`
	CreatedAt      time.Time     `json:"created_at"`
	SignsFrom      time.Time     `json:"signs_from"`
	PublishedUntil *time.Time    `json:"published_until,omitempty"`
}

func viewKey(k auth.Key) keyView {
	v := keyView{KID: k.ID, Algorithm: k.Algorithm, State: k.State, CreatedAt: k.CreatedAt.UTC(), SignsFrom: k.SignsFrom.UTC()}
	if !k.PublishedUntil.IsZero() {
		until := k.PublishedUntil.UTC()
		v.PublishedUntil = &until
	}
	return v
}

// some is list, as [] in JSON where it is empty.
func some(list []string) []string { return append([]string{}, list...) }

// object is raw, as {} where there is none.
func object(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}
