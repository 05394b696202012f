package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/jwt"
)

// delegated are the claims of a token that somebody acts with for somebody else.
type delegated struct {
	jwt.AccessClaims
	Actor struct {
		Subject string `json:"sub,omitzero"`
	} `json:"act,omitzero"`
}

// exchanger exchanges the tokens of callers for tokens of one API, and keeps
// each for as long as it is good: an exchange costs a request, and a line in the
// audit.
type exchanger struct {
	tokenURL, client, secret, audience string

	mu   sync.Mutex
	kept map[[32]byte]kept // by SHA-256 of the caller's token
}

type kept struct {
	token string
	until time.Time
}

const (
	maxKept = 1000
	early   = 10 * time.Second // a token that ends on the way is of no use
)

// exchange answers a token for the API, about whoever the caller's token is.
func (x *exchanger) exchange(ctx context.Context, token string) (string, error) {
	name := sha256.Sum256([]byte(token))
	x.mu.Lock()
	k, ok := x.kept[name]
	x.mu.Unlock()
	if ok && time.Now().Before(k.until) {
		return k.token, nil
	}
	k, err := x.ask(ctx, token)
	if err != nil {
		return "", err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.kept == nil || len(x.kept) >= maxKept {
		x.kept = make(map[[32]byte]kept)
	}
	x.kept[name] = k
	return k.token, nil
}

func (x *exchanger) forget(token string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.kept, sha256.Sum256([]byte(token)))
}

// ask is RFC 8693, section 2.1.
func (x *exchanger) ask(ctx context.Context, token string) (kept, error) {
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":      {token},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"audience":           {x.audience},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.tokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return kept{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(x.client), url.QueryEscape(x.secret))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return kept{}, err
	}
	defer res.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		Error       string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&answer); err != nil {
		return kept{}, fmt.Errorf("exchange: status %d: %w", res.StatusCode, err)
	}
	if res.StatusCode != http.StatusOK {
		return kept{}, fmt.Errorf("exchange: status %d: %s", res.StatusCode, answer.Error)
	}
	return kept{answer.AccessToken, time.Now().Add(time.Duration(answer.ExpiresIn)*time.Second - early)}, nil
}
