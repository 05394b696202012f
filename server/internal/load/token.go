package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwt"
)

// claims are what is looked at of every access token.
type claims struct {
	Issuer   string  `json:"iss"`
	Subject  string  `json:"sub"`
	Audience string  `json:"aud"`
	ClientID string  `json:"client_id"`
	Session  string  `json:"sid"`
	ID       string  `json:"jti"`
	Expiry   float64 `json:"exp"`
}

// Each signature is looked at by its length, and one of sampleEvery is verified
// when the measurement is over: to verify one costs twice what it costs the
// server to make it.
const (
	sampleEvery = 64
	maxSamples  = 64 // of one connection
)

// inspector looks at the access tokens of one connection.
type inspector struct {
	want    claims // Expiry and ID are not compared
	header  string // of the first token
	last    string // the jti before
	seen    int
	samples []string
}

// look checks a token, and keeps some for verify.
func (in *inspector) look(token string) error {
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(signature, ".") || len(signature) < 43 { // HS256's 32 bytes
		return errors.New("the access token is no signed JWT")
	}
	var got claims
	if err := decodeSegment(payload, &got); err != nil {
		return fmt.Errorf("the access token's payload: %w", err)
	}
	if got.ID == "" || got.ID == in.last {
		return errors.New("the access token has the jti of another")
	}
	if expiry := time.Unix(int64(got.Expiry), 0); !expiry.After(time.Now()) {
		return errors.New("the access token has expired already")
	}
	id := got.ID
	got.ID, got.Expiry = "", 0
	if got != in.want {
		return fmt.Errorf("the access token says %+v, want %+v", got, in.want)
	}
	if header != in.header || in.seen%sampleEvery == 0 {
		in.header = header
		in.sample(token)
	}
	in.last = id
	in.seen++
	return nil
}

// lookAtNew is look for a token of a session that has just begun, whose sid
// nobody knows yet.
func (in *inspector) lookAtNew(token string) error {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	var got claims
	if err := decodeSegment(payload, &got); err != nil {
		return err
	}
	if got.Session == "" {
		return errors.New("the access token of a sign-in has no sid")
	}
	in.want.Session = got.Session
	return in.look(token)
}

func (in *inspector) sample(token string) {
	if len(in.samples) < maxSamples {
		in.samples = append(in.samples, token)
	} else {
		in.samples[in.seen/sampleEvery%maxSamples] = token
	}
}

// tokens is the inspector of a task that has one.
func (in *inspector) tokens() *inspector { return in }

// verify answers what is wrong with the first sample that is not good.
func (in *inspector) verify(ctx context.Context, v *jwt.Verifier[jwt.AccessClaims]) error {
	defer func() { in.samples = in.samples[:0] }()
	for _, token := range in.samples {
		if _, err := v.Verify(ctx, token); err != nil {
			return fmt.Errorf("an access token that was handed out is not good: %w", err)
		}
	}
	return nil
}

func decodeSegment(segment string, dst any) error {
	text, err := base64url.Decode(segment)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, dst)
}
