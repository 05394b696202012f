package guard

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/writ-auth/writ/internal/discovery"
	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// What a Config that says nothing gets.
const (
	DefaultLeeway     = 30 * time.Second
	DefaultMaxStale   = 30 * time.Second
	DefaultCacheBytes = 16 << 20

	DefaultIntrospectionTTL = 5 * time.Second
)

// maxLogLeeway bounds Leeway where a revocation log is followed: the issuer
// drops an entry two minutes after the last token that it concerns has expired,
// and a verifier that still took the token then would never learn of the entry.
const maxLogLeeway = time.Minute

// Config says whose tokens a guard accepts. Only Issuers is required.
type Config struct {
	// Issuers lists who may have made a token, each with the audience that it
	// has to be for. Required.
	Issuers []Issuer

	// Public lists the requests that need no token, as patterns of
	// http.ServeMux ("GET /healthz", "/assets/"). None is looked at there, so
	// From gives nil; see Optional for routes that serve both. A path that isn't clean (empty
	// or dotted segments, encoded slashes or dots, backslashes) never matches:
	// what a router behind the guard makes of it can't be known here. A handler
	// with rules of its own always needs a token: a pattern can't waive what a
	// route demands.
	Public []string

	// Cookie names a cookie that may carry the token where there is no bearer
	// token in the Authorization header; with both, the header counts and the
	// cookie isn't looked at. A cookie that comes twice is refused. A browser
	// sends cookies along whoever caused the request, so with a cookie every
	// request but GET, HEAD and OPTIONS, and every protocol upgrade, must come
	// from this origin (Sec-Fetch-Site: same-origin) or from one of
	// TrustedOrigins; with neither header it is refused.
	Cookie string
	// TrustedOrigins lists other origins whose pages may use the cookie, exactly
	// as browsers write them: "https://app.example.com".
	TrustedOrigins []string

	// Resource is this API's own URL. If given, challenges point to its metadata
	// (RFC 9728), which ResourceMetadata serves.
	Resource string

	// DPoP is about tokens that are bound to a key of their bearer (RFC 9449).
	// The zero value takes them with a proof, and others as ever.
	DPoP DPoP

	// Leeway is how far clocks may be apart: added to exp, taken from nbf, and
	// allowed between the clock of the revocation log and this one. Default
	// 30 s; at most 5 min, and 1 min where a revocation log is followed.
	Leeway time.Duration

	// MaxStale is how old the last answer of the revocation log may be. Default
	// 30 s, at least 1 s.
	MaxStale time.Duration
	// Stale says what happens to a good token when the log is older than that,
	// or was never reached. Default Reject.
	Stale StalePolicy
	// Credentials are this API's own at the issuer: to introspect, and for a
	// place among the followers of the log that strangers can't take. Where
	// several Issuers are asked over the network they stand in Issuer instead,
	// since whoever gets them can use them.
	Credentials *Credentials

	// IntrospectionTTL is for how long the issuer's word about a token counts,
	// where it is asked: with Introspect, and with Online. Default 5 s; at least
	// 1 s, at most 1 min.
	IntrospectionTTL time.Duration

	// CacheBytes bounds the memory for verified tokens. Default 16 MiB, which is
	// some 5,000 tokens; negative: none are kept. What As has decoded of them
	// isn't counted.
	CacheBytes int

	// Render writes the body of a refusal. The status and the headers of the
	// challenge are set and stay. Default: a problem document (RFC 9457) with
	// the status and the code, and nothing else.
	Render func(w http.ResponseWriter, r *http.Request, refusal *Refusal)

	// Prepare, Extensions and Client go to the key sets that are fetched, see
	// jwks.Config and jwk.Parser; Prepare also gets the keys that sign revocation
	// logs, Client also asks for discovery documents and revocations.
	Prepare    func(*jwk.PublicKey) *jwk.PublicKey
	Extensions []jwk.Extension
	Client     *http.Client

	// Logger gets a line when an issuer can't be reached and when it can be
	// again, and, at slog.LevelDebug, one for each refusal with its reason, but
	// nothing of the token or the request; default slog.Default().
	Logger *slog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Issuer is one maker of tokens.
type Issuer struct {
	// URL is the iss claim, byte for byte, and where discovery starts.
	// Required.
	URL string
	// Audience: one of these must be in aud. Required.
	Audience []string
	// Type is the typ that access tokens of this issuer have. Default "at+jwt"
	// (RFC 9068); "JWT" is for issuers that mark access tokens so, or not at
	// all. With "JWT", an ID token differs from an access token by its audience
	// alone.
	Type string
	// Keys are the keys instead of those that discovery would name: a secret, a
	// PEM key, a set, the keyring in the same process. It is asked for each
	// request, so it should answer from memory.
	Keys jwt.KeySource
	// Paths says where the issuer keeps roles, permissions and scopes if not in
	// the claims "roles", "permissions" and "scope", or in another form.
	Paths Paths
	// Ignore names claims of jwt.AccessClaims that this issuer writes in a form of
	// its own, for which every token would be refused: an amr that is a list of
	// objects, a name that is null. They are taken for absent, and rules that look
	// at them refuse; [As] reads them with a type of yours, which then embeds
	// jwt.Claims and not jwt.AccessClaims. Of roles, permissions, scope, auth_time,
	// amr, acr, email, email_verified, name, preferred_username and org.
	Ignore []string
	// Revocation says whether to follow the issuer's revocation log. With Keys
	// set it isn't followed unless LogURL is given.
	Revocation Revocation
	// LogURL is the address of the revocation log instead of the one that
	// discovery would name; it is followed then.
	// What is behind it needs no trust, and may be a relay or a cache, if the
	// issuer has log keys; else TLS alone says whose log it is.
	LogURL string
	// LogKeysURL is the address of the keys that sign the log, at the issuer,
	// instead of the one that discovery would name. With Keys, where nothing is
	// discovered, it is the only way to name them.
	LogKeysURL string
	// Credentials are this API's own at this issuer; see Config.Credentials.
	Credentials *Credentials
	// ClientSigned, if it is given, also takes JWTs that the issuer's clients have
	// signed themselves. Of one issuer only, and it needs Credentials.
	ClientSigned *ClientSigned
}

// Paths are the member names that lead to a claim, from the outside in:
// {"realm_access", "roles"}. What is found has to be an array of strings, or a
// string: one role or permission, or scopes with spaces between them. A path
// that leads nowhere means none. nil leaves the usual claim, which has to be as in
// jwt.AccessClaims; where a path is given it isn't looked at.
type Paths struct {
	Roles, Permissions, Scope []string
}

func (p Paths) validate() error {
	for _, path := range [][]string{p.Roles, p.Permissions, p.Scope} {
		if path != nil && len(path) == 0 {
			return errors.New("a path in Paths has no names")
		}
	}
	return nil
}

func (p Paths) isZero() bool { return p.Roles == nil && p.Permissions == nil && p.Scope == nil }

// Credentials identify this API at an issuer.
type Credentials struct {
	ClientID, ClientSecret string
}

// Revocation says whether a revocation log is followed.
type Revocation int

const (
	// FollowIfOffered follows the log if the discovery document names one. A
	// document that can't be fetched doesn't count as "not offered" but as a log
	// out of reach.
	FollowIfOffered Revocation = iota
	// Follow treats an issuer without a log as one whose log is out of reach.
	Follow
	// DontFollow accepts tokens until they expire, whatever was revoked.
	DontFollow
	// Online asks the issuer about each token (RFC 7662), and takes those alone
	// of which it says that they are active. It needs Credentials. An answer
	// counts for Config.IntrospectionTTL, so that a token which is revoked is
	// refused that much later at most; while the issuer doesn't answer, tokens
	// whose answer is over get 503. It is for issuers without a log, and for
	// those who want the issuer's word: a log is refused sooner, and costs the
	// issuer nothing for each request.
	Online
)

// StalePolicy says what happens to a token that is good but for the fact that
// the revocation log is out of date. A token that is known to be revoked is
// always refused.
type StalePolicy int

const (
	// Reject answers 503: the token may be good, and nobody here can tell.
	Reject StalePolicy = iota
	// Introspect asks the issuer about the token (RFC 7662). It needs
	// Credentials, and answers 503 if the issuer doesn't answer.
	Introspect
	// AcceptUntilExpiry takes the token. It fails open: whoever can keep this
	// process from reaching the issuer keeps revoked tokens alive until they
	// expire.
	AcceptUntilExpiry
)

func (cfg *Config) validate() error {
	if len(cfg.Issuers) == 0 {
		return errors.New("guard: Config.Issuers is empty")
	}
	if cfg.Leeway < 0 || cfg.MaxStale < 0 {
		return errors.New("guard: Config.Leeway or Config.MaxStale is negative")
	}
	if cfg.MaxStale > 0 && cfg.MaxStale < time.Second {
		return errors.New("guard: Config.MaxStale is below 1 s")
	}
	if ttl := cfg.IntrospectionTTL; ttl != 0 && (ttl < time.Second || ttl > time.Minute) {
		return errors.New("guard: Config.IntrospectionTTL isn't within 1 s and 1 min")
	}
	if cfg.Stale < Reject || cfg.Stale > AcceptUntilExpiry {
		return errors.New("guard: Config.Stale is none of the policies")
	}
	if err := cfg.validateOrigins(); err != nil {
		return err
	}
	if cfg.Resource != "" {
		if _, err := fetch.ParseURL(cfg.Resource); err != nil {
			return fmt.Errorf("guard: Config.Resource: %w", err)
		}
	}
	if err := cfg.DPoP.validate(); err != nil {
		return err
	}
	return cfg.validateIssuers()
}

func (cfg *Config) validateOrigins() error {
	if cfg.Cookie != "" {
		if err := (&http.Cookie{Name: cfg.Cookie, Value: "x"}).Valid(); err != nil {
			return fmt.Errorf("guard: Config.Cookie: %w", err)
		}
	}
	for _, origin := range cfg.TrustedOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || origin != u.Scheme+"://"+u.Host {
			return fmt.Errorf("guard: Config.TrustedOrigins: %q is not of the form scheme://host[:port]", origin)
		}
	}
	return nil
}

func (cfg *Config) validateIssuers() error {
	asked, signing := 0, 0
	seen := make(map[string]bool)
	for n, issuer := range cfg.Issuers {
		if err := issuer.validate(); err != nil {
			return fmt.Errorf("guard: Config.Issuers[%d]: %w", n, err)
		}
		if seen[issuer.URL] {
			return fmt.Errorf("guard: Config.Issuers[%d]: %q is there twice", n, issuer.URL)
		}
		seen[issuer.URL] = true
		if issuer.isAsked() {
			asked++
		}
		if issuer.ClientSigned != nil {
			signing++
		}
	}
	if signing > 1 {
		return errors.New("guard: ClientSigned of two issuers: a client's name doesn't say whose client it is")
	}
	if cfg.Credentials != nil && asked > 1 {
		return errors.New("guard: Config.Credentials with several issuers: say in Issuer.Credentials whose they are")
	}
	for n := range cfg.Issuers {
		if err := errors.Join(cfg.validateLog(&cfg.Issuers[n]), cfg.validateSigned(&cfg.Issuers[n])); err != nil {
			return fmt.Errorf("guard: Config.Issuers[%d]: %w", n, err)
		}
	}
	return nil
}

func (i *Issuer) validate() error {
	switch {
	case i.URL == "":
		return errors.New("no URL")
	case len(i.Audience) == 0:
		return errors.New("no Audience")
	case i.Revocation < FollowIfOffered || i.Revocation > Online:
		return errors.New("no such choice of Revocation")
	case !i.mayFollow() && i.LogURL != "":
		return errors.New("a LogURL with DontFollow or Online")
	case i.Revocation == Follow && i.Keys != nil && i.LogURL == "":
		return errors.New("to Follow with Keys needs a LogURL")
	case isNil(i.Keys):
		return errors.New("a nil pointer as Keys")
	}
	if err := errors.Join(i.Paths.validate(), i.validateIgnore()); err != nil {
		return err
	}
	if i.LogURL != "" {
		if _, err := fetch.ParseURL(i.LogURL); err != nil {
			return fmt.Errorf("reading LogURL: %w", err)
		}
	}
	if i.LogKeysURL != "" {
		if _, err := fetch.ParseURL(i.LogKeysURL); err != nil {
			return fmt.Errorf("reading LogKeysURL: %w", err)
		}
	}
	if i.Keys == nil {
		if err := discovery.CheckIssuer(i.URL); err != nil {
			return fmt.Errorf("reading URL (or give Keys): %w", err)
		}
	}
	return nil
}

// isNil finds keys of which making them has failed: they would refuse every
// token, or panic at the first.
func isNil(keys jwt.KeySource) bool {
	v := reflect.ValueOf(keys)
	return (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil()
}

// validateIgnore takes no claim without which a token would be good for more: who
// it is revoked by, what it is bound to, and whether a person stands behind it.
func (i *Issuer) validateIgnore() error {
	for _, name := range i.Ignore {
		switch name {
		case "roles", "permissions", "scope", "auth_time", "amr", "acr",
			"email", "email_verified", "name", "preferred_username", "org":
		default:
			return fmt.Errorf("%q can't be among Ignore", name)
		}
	}
	return nil
}

// ignored lists the claims that aren't read where they usually are.
func (i *Issuer) ignored() []string {
	names := slices.Clone(i.Ignore)
	for name, path := range map[string][]string{
		"roles": i.Paths.Roles, "permissions": i.Paths.Permissions, "scope": i.Paths.Scope,
	} {
		if path != nil {
			names = append(names, name)
		}
	}
	return names
}

// validateLog checks what matters only where a log is followed.
func (cfg *Config) validateLog(i *Issuer) error {
	if i.follows() && cfg.Leeway > maxLogLeeway {
		return fmt.Errorf("with revocations, Leeway is at most %v", maxLogLeeway)
	}
	if i.Revocation != Online && (cfg.Stale != Introspect || !i.follows()) {
		return nil
	}
	if cfg.credentialsFor(i) == nil {
		return errors.New("to Introspect, or to be Online, needs Credentials")
	}
	if err := discovery.CheckIssuer(i.URL); err != nil {
		return fmt.Errorf("to Introspect, or to be Online, needs an issuer to ask: %w", err)
	}
	return nil
}

func (i *Issuer) mayFollow() bool { return i.Revocation != DontFollow && i.Revocation != Online }

// follows reports whether there may be a log to follow.
func (i *Issuer) follows() bool { return i.mayFollow() && (i.Keys == nil || i.LogURL != "") }

// isAsked reports whether the issuer is asked over the network for anything but
// its keys.
func (i *Issuer) isAsked() bool {
	return i.Keys == nil || i.LogURL != "" || i.Revocation == Online
}

// credentialsFor returns what may be shown to an issuer, nil if nothing.
func (cfg *Config) credentialsFor(i *Issuer) *Credentials {
	if i.Credentials != nil {
		return i.Credentials
	}
	if i.isAsked() {
		return cfg.Credentials
	}
	return nil
}

// withDefaults returns cfg with every default filled in.
func (cfg Config) withDefaults() Config {
	if cfg.Leeway == 0 {
		cfg.Leeway = DefaultLeeway
	}
	if cfg.MaxStale == 0 {
		cfg.MaxStale = DefaultMaxStale
	}
	if cfg.IntrospectionTTL == 0 {
		cfg.IntrospectionTTL = DefaultIntrospectionTTL
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = DefaultCacheBytes
	}
	if cfg.Render == nil {
		cfg.Render = renderProblem
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}
