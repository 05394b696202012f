package keyring_test

import (
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const (
	leapPeriod = 30 * 24 * time.Hour
	leapYear   = 365 * 24 * time.Hour
)

// TestClockThatLeaps: a clock that is a year ahead for a moment stops no rotation
// for a year.
func TestClockThatLeaps(t *testing.T) {
	m := movingRing(t, leapPeriod)
	old := m.signer("")
	m.at(leapYear) // which announces a successor
	m.at(2 * time.Minute)
	m.at(time.Hour + time.Minute)
	if m.signer("") != old {
		t.Fatal("the successor signs without having been announced")
	}
	due := m.at(time.Hour + 2*time.Minute) // odd for an hour
	if due != time.Hour+2*time.Minute+announce {
		t.Errorf("the change is due at %v", due)
	}
	m.at(due)
	next := m.signer("")
	if next == old {
		t.Error("the announced key doesn't sign")
	}
	m.at(due + leapPeriod - announce)
	m.at(due + leapPeriod)
	if m.signer("") == next {
		t.Error("a period later nothing has changed")
	}
}

// TestClockThatLeapsForLong: the successor took over in the wrong year.
func TestClockThatLeapsForLong(t *testing.T) {
	m := movingRing(t, leapPeriod)
	m.at(leapYear)
	m.at(leapYear + announce)
	signs := m.signer("")
	m.at(2 * time.Hour)
	back := 3 * time.Hour
	if due := m.at(back); due != back+leapPeriod-announce {
		t.Errorf("the next announcement is due at %v, want %v", due, back+leapPeriod-announce)
	}
	if m.signer("") != signs {
		t.Error("another key signs at once")
	}
}

// TestClockThatStartsWrong: a machine without a battery starts in the past, and
// its clock is set within the hour: no key's time has changed.
func TestClockThatStartsWrong(t *testing.T) {
	m := movingRing(t, leapPeriod)
	m.at(leapPeriod - announce) // announces
	m.at(-leapYear)
	m.at(-leapYear + 59*time.Minute)
	m.at(leapPeriod - announce + time.Minute)
	m.at(-leapYear + 2*time.Hour) // once more: the patience begins anew
	if due := m.at(leapPeriod - announce + 2*time.Minute); due != leapPeriod {
		t.Errorf("the change is due at %v, want %v", due, leapPeriod)
	}
}

// TestClockThatIsSetBackTwice: that it was wrong in another way meanwhile makes
// nobody wait until that time comes.
func TestClockThatIsSetBackTwice(t *testing.T) {
	m := movingRing(t, leapPeriod)
	m.at(2 * leapYear) // which announces a successor
	m.at(leapYear)
	m.at(2 * time.Minute)
	if due := m.at(time.Hour + 2*time.Minute); due != time.Hour+2*time.Minute+announce {
		t.Errorf("the change is due at %v", due)
	}
}

// TestRotateByHandAfterALeap: who asks for a rotation gets one now.
func TestRotateByHandAfterALeap(t *testing.T) {
	m := movingRing(t, leapPeriod)
	m.at(leapYear)
	m.at(time.Minute)
	want := noon.Add(time.Minute + announce)
	out, err := m.Rotate(t.Context(), "", auth.Event{Action: "key.announce"})
	if err != nil || !out.SignsFrom.Equal(want) {
		t.Errorf("Rotate = %+v, %v, want one that signs from %v", out, err, want)
	}
	m.at(time.Minute + announce)
	if m.signer("") != out.KID {
		t.Error("the announced key doesn't sign")
	}
}
