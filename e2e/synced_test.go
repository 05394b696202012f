package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	endian "encoding/binary" // binary is what this package calls the program
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/internal/testenv"
)

// A kill leaves what the program wrote in the kernel's memory, where the next
// start finds it: TestKill can't tell what would survive a power failure. The
// trace can. It shows every write and every fsync in their order, and so, for
// each answer, whether the row that it promises had been synced before.

// TestSyncedBeforeAnswer traces the server under concurrent sign-ins, refreshes
// and log-outs: what each answer acknowledges was on the disk before it left.
func TestSyncedBeforeAnswer(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for name, bin := range map[string]string{"usual": bin, "during checkpoints": checkpointing(t)} {
		t.Run(name, func(t *testing.T) {
			report := traceAnswers(t, bin)
			for _, v := range report.violations[:min(10, len(report.violations))] {
				t.Error(v)
			}
			t.Logf("%d answers, each after the sync of what it promises; %d syncs, %d restarts of the log; %d violations",
				report.answers, report.syncs, report.restarts, len(report.violations))
			if report.failed != nil || report.answers < tracedClients*tracedRefreshes {
				t.Errorf("too little happened to prove anything: %d answers, %v", report.answers, report.failed)
			}
		})
	}
}

// TestTraceCatches plants faults and wants the same checker to see each.
func TestTraceCatches(t *testing.T) {
	testenv.Need(t, testenv.Strace)
	pragma := func(mode string) string {
		return overlay(t, "../server/internal/store/sqlite.go", turn{`"synchronous(FULL)"`, `"synchronous(` + mode + `)"`})
	}
	for name, planted := range map[string]string{
		"synchronous=OFF":    pragma("OFF"),
		"synchronous=NORMAL": pragma("NORMAL"), // syncs only when the log starts anew
		"early answers":      earlyAnswers(t),
	} {
		t.Run(name, func(t *testing.T) {
			bin, err := build("writ-"+strings.ReplaceAll(name, " ", "-"), "-overlay", planted)
			if err != nil {
				t.Fatal(err)
			}
			report := traceAnswers(t, bin)
			t.Logf("%d of %d answers left before they were synced", len(report.violations), report.answers)
			if len(report.violations) < report.answers/4 {
				t.Errorf("only %d of %d answers were noticed", len(report.violations), report.answers)
			}
		})
	}
}

const (
	tracedClients   = 8
	tracedRefreshes = 24
)

// traceAnswers runs the load against a traced server and checks the trace.
func traceAnswers(t *testing.T, bin string) *syncReport {
	t.Helper()
	strace := testenv.Need(t, testenv.Strace)
	s := newServer(t, bin)
	file := filepath.Join(t.TempDir(), "trace")
	s.under = straced(strace, file)
	s.start()
	promised, failed := promises(t, s)
	pid := s.cmd.Process.Pid
	s.kill()
	report := &syncReport{promised: promised, seen: map[string]bool{}, failed: failed}
	for _, m := range finishedTrace(t, file, pid) {
		if err := report.step(m); err != nil {
			t.Fatal(err)
		}
	}
	for id, p := range promised {
		if !report.seen[id] {
			t.Errorf("the trace does not show the answer to a %s", p.kind)
		}
	}
	return report
}

// promise is what an answer acknowledges: bytes that a page of the database
// must hold.
type promise struct {
	kind string
	row  []byte
}

// promises lets clients sign in, refresh and log out, all at once, and answers
// what was acknowledged, by the request's id. The error says which client was
// refused.
func promises(t *testing.T, s *server) (map[string]promise, error) {
	t.Helper()
	var mu sync.Mutex
	var failed error
	all := map[string]promise{}
	note := func(kind string, a answer, row []byte) {
		mu.Lock()
		defer mu.Unlock()
		all[a.header.Get("X-Request-Id")] = promise{kind, row}
	}
	var wg sync.WaitGroup
	for range tracedClients {
		wg.Go(func() {
			err := live(t.Context(), s, note)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	return all, failed
}

// live is one client's session, from its sign-in to its log-out.
func live(ctx context.Context, s *server, note func(kind string, a answer, row []byte)) error {
	var held tokens
	var refused error
	// A refusal is an error and not the end: a server that answers too early
	// knows a moment later what it has answered.
	post := func(path string, body map[string]string) (a answer, err error) {
		for range 100 {
			if a, err = call(ctx, "POST", s.url(path), "", body); err != nil || a.status == 200 {
				break
			}
			refused = fmt.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if err == nil && a.status == 200 && path != "/v1/logout" {
			err = json.Unmarshal(a.body, &held)
		}
		return a, err
	}
	a, err := post("/v1/login", map[string]string{"email": adminEmail, "password": adminPassword})
	if err != nil {
		return err
	}
	handle, _ := grantOf(held.RefreshToken)
	note("sign-in", a, handle)
	for range tracedRefreshes {
		if a, err = post("/v1/refresh", map[string]string{"refresh_token": held.RefreshToken}); err != nil {
			return err
		}
		if handle, generation := grantOf(held.RefreshToken); generation > 2 {
			note("refresh", a, slices.Concat(handle, asStored(generation-1), asStored(generation)))
		}
	}
	if a, err = post("/v1/logout", map[string]string{"refresh_token": held.RefreshToken}); err != nil {
		return err
	}
	hash := revlog.Hash(revlog.Session, claimOf(held.AccessToken, "sid"))
	note("log-out", a, hash[:])
	return refused
}

// grantOf reads a refresh token: what the row keeps of its handle, and its
// generation.
func grantOf(token string) (handleHash []byte, generation uint64) {
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "writ_rt_"))
	hash := sha256.Sum256(raw[5:21])
	return hash[:], endian.BigEndian.Uint64(raw[21:29])
}

// asStored is a number of two or more as SQLite writes it into a row. In the
// row of a grant the two generations follow the hash of the handle.
func asStored(n uint64) []byte {
	if n < 128 {
		return []byte{byte(n)}
	}
	return endian.BigEndian.AppendUint16(nil, uint16(n)) // enough for what this test refreshes
}

func claimOf(token, name string) string {
	parts := strings.Split(token, ".")
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	json.Unmarshal(text, &claims)
	value, _ := claims[name].(string)
	return value
}
