package credential_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/credential"
)

func TestPace(t *testing.T) {
	const ms = time.Millisecond
	p := credential.NewPace()
	for i, c := range []struct {
		cost       string
		took, want time.Duration
	}{
		{"argon2id", 40 * ms, 0}, // the first of its kind: nobody knows
		{"argon2id", 30 * ms, 0}, // faster
		{"argon2id", 31 * ms, 0}, // as fast
		{"argon2id", 38 * ms, 0},
		{"argon2id", 60 * ms, 60 * ms}, // others took half of the processor
		{"argon2id", 900 * ms, 500 * ms},
		{"bcrypt", 900 * ms, 0}, // slow by itself
		{"argon2id", 30 * ms, 0},
	} {
		if got := p.Rest(c.cost, c.took); got != c.want {
			t.Errorf("%d: after %s rest %s, want %s", i, c.took, got, c.want)
		}
	}
	for range 1000 { // the machine has become slower
		p.Rest("argon2id", 60*ms)
	}
	if got := p.Rest("argon2id", 60*ms); got != 0 {
		t.Errorf("still resting for %s", got)
	}
	for i := range 1000 { // what strangers choose doesn't fill the memory
		p.Rest(strconv.Itoa(i), ms)
	}
	if n := p.Kinds(); n > 32 {
		t.Errorf("%d kinds are remembered", n)
	}
}
