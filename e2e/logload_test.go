package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
)

// TestManyRevocations revokes tokens at a rate, and watches how far guards are
// behind and what memory is taken. How much is the machine's business; that
// nothing is missed, and that the guards have all of it soon afterwards, is not.
// With TEST_LOG=long it is a thousand a second for five minutes; entries live for
// two and a half, so that memory has to come to rest.
func TestManyRevocations(t *testing.T) {
	rate, lasts := 200, 5*time.Second
	if os.Getenv("TEST_LOG") == "long" {
		rate, lasts = 1000, 5*time.Minute
	}
	if text := os.Getenv("TEST_LOG_LASTS"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := running(t, "--access-ttl", "30s")
	s.makeAPI()
	guards := slices.Concat(followers(t, s, 5, "", nil), followers(t, s, 5, relayOf(t, s.url("/v1/revocations")), nil))
	var admin atomic.Pointer[string]
	signIn := func() { token := s.signIn("").AccessToken; admin.Store(&token) }
	signIn()

	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	due := make(chan struct{}, rate)
	var revoked, last atomic.Uint64
	var busy sync.WaitGroup
	for range 32 {
		busy.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			for range due {
				seq, err := revokeRandom(client, s.url("/v1/admin/revocations"), *admin.Load())
				if err != nil {
					t.Error(err)
					continue
				}
				revoked.Add(1)
				for old := last.Load(); seq > old && !last.CompareAndSwap(old, seq); old = last.Load() {
				}
			}
		})
	}
	behind := watch(t, ctx, s, guards, &last, lasts/5)
	tick, renew := time.NewTicker(10*time.Millisecond), time.NewTicker(15*time.Second)
	defer tick.Stop()
	defer renew.Stop()
	began, asked, skipped := time.Now(), 0, 0
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			for ; asked+skipped < int(float64(rate)*time.Since(began).Seconds()); asked++ {
				select {
				case due <- struct{}{}:
				default:
					skipped++
					asked--
				}
			}
		case <-renew.C:
			signIn()
		case <-ctx.Done():
		}
	}
	took := time.Since(began)
	close(due)
	busy.Wait()
	settled, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for i, g := range guards {
		if err := g.Synced(settled, s.url(""), last.Load()); err != nil {
			t.Errorf("guard %d: %v", i, err)
		}
	}
	lags := behind()
	part := func(p float64) time.Duration {
		return lags[int(p*float64(len(lags)-1))].Round(10 * time.Microsecond)
	}
	t.Logf("%d revocations in %v, %.0f a second (%d were due and not asked, the server being busy); from the answer to a guard: p50 %v, p99 %v, worst %v of %d",
		revoked.Load(), took.Round(time.Millisecond), float64(revoked.Load())/took.Seconds(), skipped, part(0.5), part(0.99), part(1), len(lags))
	if revoked.Load() == 0 {
		t.Error("nothing was revoked")
	}
}

// watch measures how long guards take to have the last number that was answered,
// and logs the memory, until ctx is done.
func watch(t *testing.T, ctx context.Context, s *server, guards []*guard.Guard, last *atomic.Uint64, each time.Duration) func() []time.Duration {
	var watching sync.WaitGroup
	lags := make([][]time.Duration, len(guards))
	for i, g := range guards {
		watching.Go(func() {
			for ctx.Err() == nil {
				seq, began := last.Load(), time.Now()
				if err := g.Synced(ctx, s.url(""), seq); err != nil {
					return // the time is up; whether it gets there is looked at later
				}
				lags[i] = append(lags[i], time.Since(began))
				time.Sleep(5 * time.Millisecond) // between two samples
			}
		})
	}
	watching.Go(func() {
		ticker := time.NewTicker(each)
		defer ticker.Stop()
		for {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			t.Logf("at %d: server %d MB resident, ten guards' process %d MB in use, %d entries in a guard",
				last.Load(), residentBytes(s.cmd.Process.Pid)>>20, m.HeapAlloc>>20, guards[0].Stats().Issuers[0].Revoked)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() []time.Duration {
		watching.Wait()
		all := slices.Concat(lags...)
		slices.Sort(all)
		if len(all) == 0 {
			t.Fatal("no guard came to any number")
		}
		return all
	}
}

// revokeRandom revokes a token that nobody has.
func revokeRandom(client *http.Client, url, admin string) (seq uint64, err error) {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // doesn't fail
	body, err := json.Marshal(map[string]string{"kind": "token", "id": base64.RawURLEncoding.EncodeToString(id)})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+admin)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var end struct{ Seq uint64 }
	if err := json.NewDecoder(resp.Body).Decode(&end); err != nil || resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("revoking: %d, %v", resp.StatusCode, err)
	}
	return end.Seq, nil
}

// residentBytes is the memory of a process, where /proc tells; else 0.
func residentBytes(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kB << 10
		}
	}
	return 0
}
