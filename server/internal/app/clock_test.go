package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/app"
)

// jumpy is a server whose wall clock is moved while its timers run on, as an
// administrator or a bad time server does.
type jumpy struct {
	t      *testing.T
	offset atomic.Int64
	client *http.Client
}

func (j *jumpy) now() time.Time { return time.Now().Add(time.Duration(j.offset.Load())) }

func (j *jumpy) jump(d time.Duration) { j.offset.Add(int64(d)) }

// post wants a status, and answers the body.
func (j *jumpy) post(want int, path string, body map[string]string) map[string]any {
	j.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		j.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(j.t.Context(), "POST", "http://localhost:8080"+path, bytes.NewReader(text))
	if err != nil {
		j.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return j.do(want, req)
}

// me wants a status for an access token.
func (j *jumpy) me(want int, access string) {
	j.t.Helper()
	req, err := http.NewRequestWithContext(j.t.Context(), "GET", "http://localhost:8080/v1/me", nil)
	if err != nil {
		j.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	j.do(want, req)
}

func (j *jumpy) do(want int, req *http.Request) map[string]any {
	j.t.Helper()
	res, err := j.client.Do(req)
	if err != nil {
		j.t.Fatal(err)
	}
	defer res.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		j.t.Fatal(err)
	}
	if res.StatusCode != want {
		j.t.Fatalf("%s: %d %v, want %d", req.URL.Path, res.StatusCode, out, want)
	}
	return out
}

func (j *jumpy) refresh(want int, token string) map[string]any {
	j.t.Helper()
	return j.post(want, "/v1/refresh", map[string]string{"refresh_token": token})
}

// TestClockJumps moves the clock both ways under a server with sessions: those
// that live go on, also for who lost the last answer, and those that ended stay
// so, whatever the clock says.
func TestClockJumps(t *testing.T) {
	for name, jumps := range map[string][]time.Duration{
		"forward and back": {2 * time.Hour, -2 * time.Hour},
		"back and forward": {-26 * time.Hour, 26 * time.Hour},
		"to and fro":       {45 * time.Minute, -3 * time.Hour, 4 * 24 * time.Hour, -4 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(t, nil)
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				j := &jumpy{t: t}
				opts := options()
				opts.Now = j.now
				a, err := app.New(ctx, cfg, opts)
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				go a.RunKeys(ctx)
				j.client = &http.Client{Transport: inProcess{a.Handler()}}
				j.jumps(jumps)
			})
		})
	}
}

func (j *jumpy) jumps(all []time.Duration) {
	j.t.Helper()
	signIn := func() map[string]any {
		return j.post(200, "/v1/login", map[string]string{"email": email, "password": password})
	}
	live, forgetful, over := signIn(), signIn(), signIn()
	j.post(200, "/v1/logout", map[string]string{"refresh_token": text(j.t, over, "refresh_token")})
	for _, d := range all {
		j.refresh(200, text(j.t, forgetful, "refresh_token")) // and the answer is lost
		j.jump(d)
		time.Sleep(time.Minute) // of the timers' time: what waits for them runs
		live = j.goOn(live)
		forgetful = j.goOn(forgetful)
		j.refresh(401, text(j.t, over, "refresh_token"))
		j.me(401, text(j.t, over, "access_token"))
		j.me(200, text(j.t, signIn(), "access_token"))
	}
}

// goOn refreshes, with a second tab that does so too.
func (j *jumpy) goOn(held map[string]any) map[string]any {
	j.t.Helper()
	next := j.refresh(200, text(j.t, held, "refresh_token"))
	j.me(200, text(j.t, next, "access_token"))
	if again := j.refresh(200, text(j.t, held, "refresh_token")); text(j.t, again, "refresh_token") != text(j.t, next, "refresh_token") {
		j.t.Error("a token used twice at once has two successors")
	}
	return next
}
