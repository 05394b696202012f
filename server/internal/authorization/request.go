package authorization

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/session"
)

// Mode is how an answer travels.
type Mode string

// The modes (OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1;
// OAuth 2.0 Form Post Response Mode).
const (
	ModeQuery    Mode = "query"
	ModeFormPost Mode = "form_post"
)

// Modes lists them, and Prompts the values of prompt, for discovery.
func Modes() []string { return []string{string(ModeQuery), string(ModeFormPost)} }

// Prompts lists the values of prompt that are understood.
func Prompts() []string { return []string{"none", "login", "consent", "select_account"} }

// ACRs lists the values of the claim acr.
func ACRs() []string { return []string{session.ACRPassword} }

// Request is an authorization request that was checked.
type Request struct {
	Client *auth.Registration `json:"-"`

	ClientID    string   `json:"c"`
	RedirectURI string   `json:"r"`
	Mode        Mode     `json:"m"`
	State       string   `json:"s,omitempty"`
	Nonce       string   `json:"n,omitempty"`
	Challenge   string   `json:"p"` // PKCE, S256
	Scope       []string `json:"o,omitempty"`
	Audience    string   `json:"a"` // of the access token; the issuer: only the userinfo endpoint takes it
	Prompt      []string `json:"q,omitempty"`
	MaxAge      *int64   `json:"x,omitempty"` // seconds
	LoginHint   string   `json:"h,omitempty"`
	Subject     string   `json:"u,omitempty"` // who must be signed in; "": anybody
	Thumbprint  string   `json:"j,omitempty"` // the key that the tokens must be bound to (RFC 9449, section 10); "": any

	Device   bool   `json:"e,omitempty"` // no client's: somebody signs in for the page about devices
	UserCode string `json:"f,omitempty"`

	Pushed string `json:"y,omitempty"` // names the pushed request that it is; "": none was

	Locales string `json:"l,omitempty"` // languages of pages, the most wanted first; "": the browser's

	Begun time.Time `json:"b"` // a sign-in from here on was for this request
	// What the person has said so far, each with the session that they said it in.
	Asked  string `json:"w,omitempty"` // the session that a page of consent was shown to
	Chosen string `json:"k,omitempty"`
	Agreed string `json:"g,omitempty"`
	Denied string `json:"d,omitempty"`
}

// MayChoose says whether who is signed in may simply go on, if they like.
func (r Request) MayChoose(who session.Identity) bool {
	return r.prompts("select_account") && !r.prompts("login") && (r.Subject == "" || r.Subject == who.User.ID)
}

func (r Request) prompts(value string) bool { return slices.Contains(r.Prompt, value) }

// Refusal is an error that the client is told (RFC 6749, section 4.1.2.1;
// OpenID Connect Core, section 3.1.2.6).
type Refusal struct{ Code, Description string }

func (r *Refusal) Error() string { return r.Code + ": " + r.Description }

func refuse(code, description string) error { return &Refusal{code, description} }

// Bounds of what a request may carry: it has to fit into an address.
const (
	maxState = 2048
	maxNonce = 512
	maxHint  = 320
	maxScope = 1024

	maxLocales = 256
)

// Parse reads the parameters of a request, each of which came once. An error
// that is a *[Refusal] may be told to the client: the request has the address
// to return to. Every other error must not leave our own pages.
func (s *Service) Parse(ctx context.Context, params map[string]string) (Request, error) {
	if strings.HasPrefix(params["request_uri"], pushedPrefix) {
		return s.pushed(ctx, params)
	}
	req, err := s.parse(ctx, params)
	if err == nil && req.Client.Client.RequirePushed {
		err = refuse("invalid_request", "This client has to push its requests (RFC 9126).")
	}
	return req, err
}

func (s *Service) parse(ctx context.Context, params map[string]string) (Request, error) {
	req := Request{ClientID: params["client_id"], RedirectURI: params["redirect_uri"], Mode: ModeQuery}
	if err := s.parties(ctx, &req); err != nil {
		return Request{}, err
	}
	if len(params["state"]) > maxState { // it can't be given back
		return req, refuse("invalid_request", "state is too long.")
	}
	req.State, req.Begun = params["state"], s.Now().Truncate(time.Microsecond)
	for _, read := range []func(*Request, map[string]string) error{
		readMode, readKind, readPKCE, s.readTarget, readScope, readPrompt, readMaxAge, readKey,
	} {
		if err := read(&req, params); err != nil {
			return req, err
		}
	}
	req.Nonce, req.LoginHint = params["nonce"], params["login_hint"]
	if len(params["ui_locales"]) <= maxLocales { // a wish, which may be left out
		req.Locales = params["ui_locales"]
	}
	// acr_values is a wish (OpenID Connect Core, section 3.1.2.1): the claim acr says
	// how the person did sign in, and the client decides. With one way there is
	// nothing to choose.
	if len(req.Nonce) > maxNonce || len(req.LoginHint) > maxHint || len(params["acr_values"]) > maxHint {
		return req, refuse("invalid_request", "nonce, login_hint or acr_values is too long.")
	}
	return req, s.readHint(ctx, &req, params["id_token_hint"])
}

// parties finds the client and makes sure of the address to return to. Its
// error is never told to anybody but the person at the browser.
func (s *Service) parties(ctx context.Context, req *Request) error {
	if req.Device { // which no parameter says, only a ticket of our own
		s.device(req)
		return nil
	}
	if req.ClientID == "" {
		return auth.Invalid("client_id", "The request does not say which application it comes from.")
	}
	client, err := s.Clients.Registration(ctx, req.ClientID)
	switch {
	case errors.Is(err, auth.ErrNotFound), err == nil && client.Client.Disabled, err == nil && client.Client.ID == auth.ClientWrit:
		return auth.Invalid("client_id", "The application is not known here.")
	case err != nil:
		return err
	case req.RedirectURI == "" || !registered(client.Client.RedirectURIs, req.RedirectURI):
		return auth.Invalid("redirect_uri", "The application asked to return to an address that is not registered for it.")
	}
	req.Client = client
	return nil
}

func readMode(req *Request, params map[string]string) error {
	switch mode := Mode(params["response_mode"]); mode {
	case "", ModeQuery:
	case ModeFormPost:
		if !web(req.RedirectURI) {
			return refuse("invalid_request", "A form can be sent to an https or http address only.")
		}
		req.Mode = mode
	default:
		return refuse("invalid_request", "This response_mode does not exist here.")
	}
	return nil
}

// readKind refuses everything but a plain request for a code. Requests by
// reference would make the server fetch what a stranger names.
func readKind(req *Request, params map[string]string) error {
	switch {
	case params["request"] != "":
		return refuse("request_not_supported", "Request objects are not taken here.")
	case params["request_uri"] != "":
		return refuse("request_uri_not_supported", "Requests by reference are not taken here.")
	case params["registration"] != "":
		return refuse("registration_not_supported", "Clients are registered by administrators.")
	case params["response_type"] == "":
		return refuse("invalid_request", "response_type is missing.")
	case params["response_type"] != "code":
		return refuse("unsupported_response_type", "The only response_type is code.")
	case !slices.Contains(req.Client.Client.GrantTypes, auth.GrantAuthorizationCode):
		return refuse("unauthorized_client", "This client may not use the authorization code grant.")
	}
	return nil
}

// readPKCE wants a challenge by S256 of everybody: a code that somebody reads
// on its way is then good for nothing (RFC 9700, section 2.1.1).
func readPKCE(req *Request, params map[string]string) error {
	challenge := params["code_challenge"]
	digest, err := base64url.Decode(challenge)
	switch {
	case challenge == "":
		return refuse("invalid_request", "code_challenge is missing (PKCE, RFC 7636).")
	case params["code_challenge_method"] != "S256":
		return refuse("invalid_request", "code_challenge_method must be S256.")
	case err != nil || len(digest) != 32:
		return refuse("invalid_request", "code_challenge is no SHA-256 in base64url.")
	}
	req.Challenge = challenge
	return nil
}

// readTarget finds the API that the access token is to be for (RFC 8707): the
// one that is named, the only one that the client has, or else Writ itself.
func (s *Service) readTarget(req *Request, params map[string]string) error {
	resource, audience := params["resource"], params["audience"]
	if resource == "" {
		resource = audience
	}
	switch {
	case audience != "" && audience != resource:
		return refuse("invalid_target", "resource and audience differ.")
	case resource == "" && len(req.Client.APIs) == 1:
		req.Audience = req.Client.APIs[0].Audience
	case resource == "", resource == s.Issuer:
		req.Audience = s.Issuer
	case req.Client.API(resource) == nil:
		return refuse("invalid_target", "This client may not ask tokens for that API.")
	default:
		req.Audience = resource
	}
	return nil
}

// readScope keeps of what is asked for what the client may have at that API.
// What is not understood is left out (OpenID Connect Core, section 3.1.2.1), and
// the token endpoint says what was granted.
func readScope(req *Request, params map[string]string) error {
	if len(params["scope"]) > maxScope {
		return refuse("invalid_scope", "scope is too long.")
	}
	allowed := Allowed(req.Client, req.Audience)
	asked := strings.Fields(params["scope"])
	if len(asked) == 0 {
		asked = strings.Fields(req.Client.Client.Scope)
	}
	for _, name := range asked {
		if slices.Contains(allowed, name) && !slices.Contains(req.Scope, name) {
			req.Scope = append(req.Scope, name)
		}
	}
	if params["scope"] != "" && len(req.Scope) == 0 {
		return refuse("invalid_scope", "The client may have none of these scopes.")
	}
	return nil
}

// Allowed lists the scopes that a client may have for a person at an audience:
// openid, which tells no more than the access token does; those of the person's
// data, if they are registered for the client or nothing is; and the registered
// ones that the API has.
func Allowed(c *auth.Registration, audience string) []string {
	registered := strings.Fields(c.Client.Scope)
	allowed := []string{mint.ScopeOpenID}
	if len(registered) == 0 {
		allowed = append(allowed, mint.ScopeProfile, mint.ScopeEmail)
	}
	api := c.API(audience)
	for _, name := range registered {
		switch {
		case personal(name), api != nil && hasScope(*api, name) && !strings.HasPrefix(name, auth.ReservedPrefix):
			allowed = append(allowed, name)
		}
	}
	return allowed
}

// Left leaves of what a person allowed a client what it may have today: what an
// administrator has taken from it since is gone. False if the API is the client's
// no longer, or nothing is left of the scopes: there are APIs that take a token
// without any for one without limits.
func (s *Service) Left(c *auth.Registration, audience string, scope []string) (left []string, ok bool) {
	if audience != s.Issuer && c.API(audience) == nil {
		return nil, false
	}
	allowed := Allowed(c, audience)
	left = []string{}
	for _, name := range scope {
		if slices.Contains(allowed, name) {
			left = append(left, name)
		}
	}
	return left, len(left) > 0 || len(scope) == 0
}

// personal are the scopes that name claims about a person.
func personal(name string) bool {
	return slices.Contains([]string{mint.ScopeProfile, mint.ScopeEmail, "org", "roles", "permissions"}, name)
}

func hasScope(api auth.API, name string) bool {
	return name != mint.ScopeOpenID && (len(api.Scopes) == 0 || slices.Contains(api.Scopes, name))
}

func readPrompt(req *Request, params map[string]string) error {
	req.Prompt = strings.Fields(params["prompt"])
	for _, value := range req.Prompt {
		if !slices.Contains(Prompts(), value) {
			return refuse("invalid_request", "prompt has a value that is unknown here.")
		}
	}
	if req.prompts("none") && len(req.Prompt) > 1 {
		return refuse("invalid_request", "prompt=none allows nothing beside it.")
	}
	return nil
}

func readMaxAge(req *Request, params map[string]string) error {
	text, ok := params["max_age"]
	if !ok {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return refuse("invalid_request", "max_age must be a number of seconds.")
	}
	seconds := int64(n)
	req.MaxAge = &seconds
	return nil
}

// readKey takes the thumbprint of the key that the code is for: who steals it
// can't redeem it with another.
func readKey(req *Request, params map[string]string) error {
	text, ok := params["dpop_jkt"]
	if !ok {
		return nil
	}
	if digest, err := base64url.Decode(text); err != nil || len(digest) != 32 {
		return refuse("invalid_request", "dpop_jkt is no SHA-256 thumbprint in base64url.")
	}
	req.Thumbprint = text
	return nil
}

// readHint takes an ID token that the client got before: nobody but its subject
// will do. That asks for less than the request would get without it, so that it
// may be one that nobody can verify any more.
func (s *Service) readHint(ctx context.Context, req *Request, hint string) error {
	if hint == "" {
		return nil
	}
	claims, err := s.ReadHint(ctx, hint)
	if err != nil {
		return err
	}
	if claims.IDClaims == nil || !slices.Contains(claims.Audience, req.ClientID) {
		return refuse("invalid_request", "id_token_hint is no ID token of this client.")
	}
	req.Subject = claims.Subject
	return nil
}
