package statuslist_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/statuslist"
)

// shelf is a store and a ring with one key.
type shelf struct {
	mu      sync.Mutex
	now     time.Time
	head    uint64
	revoked []int64
	err     error
	reads   int
	key     *jwk.PrivateKey
}

func newShelf(t *testing.T) (*shelf, *statuslist.Service) {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{now: time.Unix(1_900_000_000, 0), key: key}
	return s, statuslist.New(statuslist.Options{Issuer: "https://auth.example.com", Store: s, Keys: s, Now: func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now
	}})
}

func (s *shelf) StatusLists(context.Context) (int64, error) { return 2, nil }

func (s *shelf) RevokedStatuses(context.Context, int64, time.Time) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.revoked, s.err
}

func (s *shelf) LogPage(context.Context, uint64, int, time.Time) (revlog.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return revlog.Page{Log: "l", Head: s.head}, s.err
}

func (s *shelf) Signing(context.Context, jwk.Algorithm) (*jwk.PrivateKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key, nil
}

// after moves the clock, and revokes places.
func (s *shelf) after(d time.Duration, places ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
	s.revoked = append(s.revoked, places...)
	s.head += uint64(len(places))
}

// bit reads a list as a verifier does.
func bit(t *testing.T, token *statuslist.Token, place int) byte {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token.Text), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		List struct{ Lst string } `json:"status_list"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	bits := unpack(t, claims.List.Lst)
	if len(bits) != 1<<14 {
		t.Errorf("a list of %d bytes", len(bits))
	}
	return bits[place/8] >> (place % 8) & 1
}

func get(t *testing.T, s *statuslist.Service, number int64) *statuslist.Token {
	t.Helper()
	token, err := s.Token(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestReadSeldom: however many ask, the database is read once, then only after
// something was revoked, and no sooner than BuiltEvery after the last time.
func TestReadSeldom(t *testing.T) {
	shelf, service := newShelf(t)
	var askers sync.WaitGroup
	for range 20 {
		askers.Go(func() {
			if _, err := service.Token(t.Context(), 0); err != nil {
				t.Error(err)
			}
		})
	}
	askers.Wait()
	for _, step := range []struct {
		what   string
		later  time.Duration
		revoke []int64
		bit    byte
		reads  int
	}{
		{"at first", 0, nil, 0, 1},
		{"nothing was revoked", statuslist.BuiltEvery, nil, 0, 1},
		{"too soon", statuslist.BuiltEvery - time.Second, []int64{131071}, 0, 1},
		{"in time", time.Second, nil, 1, 2},
		{"long after", 10 * time.Minute, nil, 1, 3},
		{"the clock was set back", -time.Hour, nil, 1, 4},
	} {
		shelf.after(step.later, step.revoke...)
		if got := bit(t, get(t, service, 0), 131071); got != step.bit || shelf.reads != step.reads {
			t.Errorf("%s: bit %d after %d readings, want %d after %d", step.what, got, shelf.reads, step.bit, step.reads)
		}
	}
}

// TestNoOldList: what can't be read is no list, and what an old key signed isn't
// either.
func TestNoOldList(t *testing.T) {
	shelf, service := newShelf(t)
	before := get(t, service, 1)
	shelf.after(statuslist.BuiltEvery)
	shelf.err = errors.New("the disk is gone")
	if token, err := service.Token(t.Context(), 1); !errors.Is(err, shelf.err) || token != nil {
		t.Errorf("got %v, %v", token, err)
	}
	shelf.err = nil
	next, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	shelf.key = next
	if after := get(t, service, 1); after.ETag == before.ETag {
		t.Error("the same list under another key")
	}
	var e *auth.Error
	for _, number := range []int64{2, -1} {
		if _, err := service.Token(t.Context(), number); !errors.As(err, &e) || e.Code != auth.CodeNotFound {
			t.Errorf("list %d: %v", number, err)
		}
	}
}

// TestGiveUp: who goes away while another makes the list waits no longer.
func TestGiveUp(t *testing.T) {
	shelf, service := newShelf(t)
	get(t, service, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	shelf.after(statuslist.BuiltEvery)
	release := service.Hold(0)
	if _, err := service.Token(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	release()
	get(t, service, 0)
}
