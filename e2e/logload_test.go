package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
// With TEST_LOG=long it is a thousand a second for five minutes. Tokens live for
// ten seconds and their entries for two minutes more, so that after these memory
// has to come to rest.
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
	s.must(201, "POST", "/v1/admin/apis", s.signIn("").AccessToken, map[string]any{"audience": "https://brief.example.com", "access_ttl": 10})
	secret := s.service("brief", map[string]any{"audiences": []string{"https://brief.example.com"}})
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
				seq, err := revokeFresh(client, s, secret, *admin.Load())
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

// revokeFresh gets a token that lives for ten seconds, and has it revoked.
func revokeFresh(client *http.Client, s *server, secret, admin string) (seq uint64, err error) {
	form := strings.NewReader("grant_type=client_credentials")
	var got struct {
		Token string `json:"access_token"`
	}
	err = exchange(client, "POST", s.url("/oauth/token"), "application/x-www-form-urlencoded", form, func(r *http.Request) { r.SetBasicAuth("brief", secret) }, &got)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(map[string]string{"token": got.Token})
	if err != nil {
		return 0, err
	}
	var end struct{ Seq uint64 }
	err = exchange(client, "POST", s.url("/v1/admin/revocations"), "application/json", bytes.NewReader(body), func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+admin) }, &end)
	return end.Seq, err
}

// exchange sends a request and decodes the answer, which has to be 200.
func exchange(client *http.Client, method, url, kind string, body io.Reader, credentials func(*http.Request), answer any) error {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	credentials(req)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return nil
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
