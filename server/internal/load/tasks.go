package load

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

func basic(clientID, secret string) string {
	pair := url.QueryEscape(clientID) + ":" + url.QueryEscape(secret)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// clientToken asks for tokens by client credentials.
type clientToken struct {
	inspector
	request []byte
}

func newClientToken(t Target, s *subject) *clientToken {
	h := newHead(t, http.MethodPost, "/oauth/token", "Content-Type", typeForm, "Authorization", basic(s.ClientID, s.Secret))
	return &clientToken{
		inspector{want: claims{Issuer: s.Issuer, Subject: s.ClientID, ClientID: s.ClientID, Audience: s.Audience}},
		h.with(nil, "grant_type=client_credentials"),
	}
}

func (c *clientToken) Request(dst []byte) []byte { return append(dst, c.request...) }

func (c *clientToken) Answer(status int, body []byte) error {
	if err := want(status, body); err != nil {
		return err
	}
	var out struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return err
	}
	if out.TokenType != "Bearer" || out.ExpiresIn <= 0 {
		return fmt.Errorf("the answer is no bearer token: %.200q", body)
	}
	return c.look(out.AccessToken)
}

// endedEvery is how often an introspection asks about a token that was revoked
// before: an answer from a memory that forgot to look would be wrong there.
const endedEvery = 16

// introspection asks about one live token, and now and then about an ended one.
type introspection struct {
	live, ended []byte // requests
	about       claims // of the live token
	number      int
	first       []byte // the answer for the live one, whose every word was checked
}

// newIntrospection makes the task of asking about a token of which about says
// who has it. The address is where it is asked, with the client's secret.
func newIntrospection(t Target, s *subject, live string, about claims) *introspection {
	const path = "/oauth/introspect"
	return &introspection{live: askAbout(t, path, s, live), ended: askAbout(t, path, s, s.Revoked), about: about}
}

// askAbout is the request to introspect a token.
func askAbout(t Target, path string, s *subject, token string) []byte {
	h := newHead(t, http.MethodPost, path, "Content-Type", typeForm, "Authorization", basic(s.ClientID, s.Secret))
	return h.with(nil, "token=", token)
}

func (i *introspection) Request(dst []byte) []byte {
	i.number++
	if i.number%endedEvery == 0 {
		return append(dst, i.ended...)
	}
	return append(dst, i.live...)
}

func (i *introspection) Answer(status int, body []byte) error {
	if err := want(status, body); err != nil {
		return err
	}
	if i.number%endedEvery == 0 {
		if string(bytes.TrimSpace(body)) != `{"active":false}` {
			return fmt.Errorf("a revoked token is not said to be inactive: %.200q", body)
		}
		return nil
	}
	if i.first != nil && bytes.Equal(i.first, body) {
		return nil
	}
	var out struct {
		Active bool `json:"active"`
		claims
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return err
	}
	if out.ID, out.Expiry = "", 0; !out.Active || out.claims != i.about {
		return fmt.Errorf("a live token is described as %.300q", body)
	}
	i.first = bytes.Clone(body)
	return nil
}

// refreshing uses each refresh token once, and the one it got for it next.
type refreshing struct {
	inspector
	head    head
	token   string
	session string
	access  string // the newest access token
}

func (r *refreshing) Request(dst []byte) []byte {
	return r.head.with(dst, `{"refresh_token":"`, r.token, `"}`)
}

// signedIn is what is looked at of the answer to a sign-in or refresh.
type signedIn struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token"`
	Session      string `json:"session_id"`
	User         struct {
		ID string `json:"id"`
	} `json:"user"`
}

func readSignedIn(body []byte, userID string) (out signedIn, err error) {
	if err := json.Unmarshal(body, &out); err != nil {
		return out, err
	}
	if out.TokenType != "Bearer" || out.RefreshToken == "" || out.Session == "" || out.User.ID != userID {
		return out, fmt.Errorf("the answer is not that of a sign-in of %s", userID)
	}
	return out, nil
}

func (r *refreshing) Answer(status int, body []byte) error {
	if err := want(status, body); err != nil {
		return err
	}
	out, err := readSignedIn(body, r.want.Subject)
	switch {
	case err != nil:
		return err
	case out.RefreshToken == r.token:
		return errors.New("the refresh token was not rotated")
	case out.Session != r.session:
		return errors.New("the refresh changed the session")
	}
	r.token, r.access = out.RefreshToken, out.AccessToken
	return r.look(out.AccessToken)
}

// own asks the protected route /v1/me.
type own struct {
	request []byte
	userID  string
	session string
	first   []byte
}

func newOwn(t Target, userID, session, token string) *own {
	return &own{request: newHead(t, http.MethodGet, "/v1/me", "Authorization", "Bearer "+token).empty(nil), userID: userID, session: session}
}

func (o *own) Request(dst []byte) []byte { return append(dst, o.request...) }

func (o *own) Answer(status int, body []byte) error {
	if err := want(status, body); err != nil {
		return err
	}
	if o.first != nil && bytes.Equal(o.first, body) {
		return nil
	}
	var out struct {
		ID      string `json:"id"`
		Session string `json:"session_id"`
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return err
	}
	if out.ID != o.userID || out.Session != o.session {
		return fmt.Errorf("somebody else's account: %.200q", body)
	}
	o.first = bytes.Clone(body)
	return nil
}

// signIn signs in again and again.
type signIn struct {
	inspector
	request []byte
	last    signedIn
}

// newSignIn makes the task for a user and an API ("": Writ itself); from is the
// address that a trusted proxy would vouch for, "" for none.
func newSignIn(t Target, issuer string, u user, audience, from string) *signIn {
	headers := []string{"Content-Type", typeJSON}
	if from != "" {
		headers = append(headers, "X-Forwarded-For", from)
	}
	fields := map[string]string{"email": u.Email, "password": u.Password}
	if audience == "" {
		audience = issuer
	} else {
		fields["audience"] = audience
	}
	body, _ := json.Marshal(fields) // can't fail
	return &signIn{
		inspector: inspector{want: claims{Issuer: issuer, Subject: u.ID, ClientID: "writ", Audience: audience}},
		request:   newHead(t, http.MethodPost, "/v1/login", headers...).with(nil, string(body)),
	}
}

func (s *signIn) Request(dst []byte) []byte { return append(dst, s.request...) }

func (s *signIn) Answer(status int, body []byte) error {
	if err := want(status, body); err != nil {
		return err
	}
	out, err := readSignedIn(body, s.want.Subject)
	if err != nil {
		return err
	}
	if out.Session == s.last.Session {
		return errors.New("two sign-ins made one session")
	}
	s.last = out
	return s.lookAtNew(out.AccessToken)
}
