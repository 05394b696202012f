package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/guard"
)

// lagSize is how many guards follow, and how many revocations each waits for:
// few, or with TEST_LOG=long what the promise is about. TEST_LOG_GUARDS has the
// last word.
func lagSize(t *testing.T) (guards, revocations int) {
	guards, revocations = 50, 20
	if os.Getenv("TEST_LOG") == "long" {
		guards, revocations = 1000, 1000
	}
	for name, n := range map[string]*int{"TEST_LOG_GUARDS": &guards, "TEST_LOG_REVOCATIONS": &revocations} {
		if text := os.Getenv(name); text != "" {
			var err error
			if *n, err = strconv.Atoi(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	return guards, revocations
}

// follower is a guard with a connection of its own, as one in another process
// has, which follows the log at an address; "" is the server's own.
func follower(t *testing.T, s *server, logURL string, known *guard.Credentials) *guard.Guard {
	t.Helper()
	g, err := guard.New(guard.Config{
		Issuers:     []guard.Issuer{{URL: s.url(""), Audience: []string{audience}, Revocation: guard.Follow, LogURL: logURL}},
		Credentials: known,
		Client:      &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
		Logger:      slog.New(slog.DiscardHandler),
		CacheBytes:  64 << 10, // a thousand of them are in one process here
		Prepare:     fast.Prepare,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// followers are guards that are up to date.
func followers(t *testing.T, s *server, n int, logURL string, known *guard.Credentials) []*guard.Guard {
	t.Helper()
	guards := make([]*guard.Guard, n)
	for i := range guards {
		guards[i] = follower(t, s, logURL, known)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, g := range guards {
		if err := g.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return guards
}

// relayOf starts writ relay, and answers where its log is.
func relayOf(t *testing.T, upstream string) string {
	t.Helper()
	address, _ := relayProcess(t, upstream)
	return address
}

// relayProcess is relayOf, with the process.
func relayProcess(t *testing.T, upstream string) (address string, pid int) {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	port, admin := freePort(t), freePort(t)
	cmd := exec.Command(bin, "relay", "--upstream", upstream,
		"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--admin-listen", fmt.Sprintf("127.0.0.1:%d", admin))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("relay: %s", &output)
		}
	})
	until := time.Now().Add(30 * time.Second)
	for {
		a, err := call(t.Context(), "GET", fmt.Sprintf("http://127.0.0.1:%d/readyz", admin), "", nil)
		if err == nil && a.status == http.StatusOK {
			return fmt.Sprintf("http://127.0.0.1:%d/v1/revocations", port), cmd.Process.Pid
		}
		if time.Now().After(until) {
			t.Fatalf("the relay isn't ready: %v", err)
		}
		time.Sleep(20 * time.Millisecond) // another process: nothing to wait for but to ask again
	}
}

// TestRevokedEverywhere revokes a token after the other and waits until each of
// many guards refuses it: at the server itself, and behind two relays. How long
// after the answer that was is in the log of the test: the machine's business, as
// are the guards, which share it.
func TestRevokedEverywhere(t *testing.T) {
	n, revocations := lagSize(t)
	parent := running(t)
	parent.makeAPI()
	known := &guard.Credentials{ClientID: "guards", ClientSecret: parent.service("guards", nil)}
	for _, hops := range []int{0, 1, 2} {
		t.Run(fmt.Sprintf("%d relays", hops), func(t *testing.T) {
			s := parent.in(t)
			logURL := ""
			for range hops {
				logURL = relayOf(t, cmp.Or(logURL, s.url("/v1/revocations")))
			}
			guards := followers(t, s, n, logURL, known)
			used := newUsage(t, s)
			v := newVictim(s)
			var lags []time.Duration
			for range revocations {
				accepted(t, guards, v.held.AccessToken)
				lags = append(lags, refusedEverywhere(t, s, guards, v.held.AccessToken, v.revoke())...)
				v.renew()
			}
			slices.Sort(lags)
			part := func(p float64) time.Duration {
				return lags[int(p*float64(len(lags)-1))].Round(10 * time.Microsecond)
			}
			t.Logf("%d revocations at %d guards behind %d relays, from the answer to the refusal: p50 %v, p99 %v, worst %v",
				revocations, n, hops, part(0.5), part(0.99), part(1))
			used.log(t, revocations)
		})
	}
}

// victim is somebody whose access tokens are revoked one after the other.
type victim struct {
	*server
	admin string
	held  tokens
}

func newVictim(s *server) *victim {
	return &victim{s, s.signIn("").AccessToken, s.signIn(audience)}
}

// revoke revokes the token that is held, and answers its number.
func (v *victim) revoke() (seq uint64) {
	v.t.Helper()
	var end struct{ Seq uint64 }
	v.must(200, "POST", "/v1/admin/revocations", v.admin, map[string]string{"token": v.held.AccessToken}).get(v.t, &end)
	return end.Seq
}

// renew gets the next token.
func (v *victim) renew() {
	v.t.Helper()
	v.must(200, "POST", "/v1/refresh", "", map[string]string{"refresh_token": v.held.RefreshToken}).get(v.t, &v.held)
}

// usage is what the processors did meanwhile.
type usage struct {
	s           *server
	began       time.Time
	own, server time.Duration
}

func newUsage(t *testing.T, s *server) *usage {
	return &usage{s, time.Now(), ownCPU(t), processCPU(t, s.cmd.Process.Pid)}
}

func (u *usage) log(t *testing.T, revocations int) {
	t.Helper()
	took, n := time.Since(u.began), time.Duration(revocations)
	t.Logf("%d processors for %v: the guards' process took %v of processor time, %v a revocation; the server's %v, %v a revocation",
		runtime.NumCPU(), took.Round(time.Millisecond), (ownCPU(t) - u.own).Round(time.Millisecond), ((ownCPU(t) - u.own) / n).Round(time.Microsecond),
		(processCPU(t, u.s.cmd.Process.Pid) - u.server).Round(time.Millisecond), ((processCPU(t, u.s.cmd.Process.Pid) - u.server) / n).Round(time.Microsecond))
}

func ownCPU(t *testing.T) time.Duration { return processCPU(t, os.Getpid()) }

// processCPU is the processor time of a process, where /proc tells; else 0.
func processCPU(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have spaces
	fields := strings.Fields(rest)
	var ticks int64
	for _, field := range fields[11:13] { // user and system, in hundredths of a second
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// accepted wants every guard to take a token.
func accepted(t *testing.T, guards []*guard.Guard, token string) {
	t.Helper()
	for i, g := range guards {
		if _, err := g.Verify(t.Context(), token); err != nil {
			t.Fatalf("guard %d, before: %v", i, err)
		}
	}
}

// refusedEverywhere answers how long after the call each guard refused a token.
func refusedEverywhere(t *testing.T, s *server, guards []*guard.Guard, token string, seq uint64) []time.Duration {
	t.Helper()
	answered := time.Now()
	lags := make([]time.Duration, len(guards))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var waiting sync.WaitGroup
	for i, g := range guards {
		waiting.Go(func() {
			if err := g.Synced(ctx, s.url(""), seq); err != nil {
				t.Errorf("guard %d: %v", i, err)
			}
			if _, err := g.Verify(ctx, token); !errors.Is(err, guard.ErrRevoked) {
				t.Errorf("guard %d has entry %d and says: %v", i, seq, err)
			}
			lags[i] = time.Since(answered)
		})
	}
	waiting.Wait()
	return lags
}
