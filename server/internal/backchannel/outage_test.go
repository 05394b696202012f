package backchannel_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/backchannel"
)

// outage is a database that can't be read for some time.
type outage struct {
	auth.Logouts
	left int // failures
}

func (o *outage) DueLogouts(ctx context.Context, now time.Time) (clients []string, next time.Time, err error) {
	if o.left > 0 {
		o.left--
		return nil, time.Time{}, errors.New("no database")
	}
	return o.Logouts.DueLogouts(ctx, now)
}

// An outage of hours is two lines of the log, and not one for each second.
func TestOutageIsToldOnce(t *testing.T) {
	b := setUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	at := make(chan struct{})
	close(at) // look again at once
	var log bytes.Buffer
	s := backchannel.New(backchannel.Options{
		Logouts: &outage{b.store, 5}, Clients: b.store, Marks: b.store, Keys: b.ring,
		News: func() <-chan struct{} {
			if looks++; looks > 10 {
				cancel()
			}
			return at
		},
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: b.clock.Now,
	})
	s.Run(ctx)
	if strings.Count(log.String(), "level=WARN") != 1 || strings.Count(log.String(), "level=INFO") != 1 {
		t.Errorf("after an outage of five looks the log says\n%s", log.String())
	}
}
