package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// TestRefreshesLeaveNothing refreshes over and over, and looks at what that
// leaves: no row, a file as large as before, and a write-ahead log that does
// not grow with what went through it. TEST_REFRESHES says how many; the default
// is short.
func TestRefreshesLeaveNothing(t *testing.T) {
	total := int64(8_000)
	if n, err := strconv.ParseInt(os.Getenv("TEST_REFRESHES"), 10, 64); err == nil {
		total = n
	}
	path := filepath.Join(t.TempDir(), "writ.db")
	s := open(t, store.Options{DSN: "sqlite:" + path})
	grants := beginGrants(t, s, 64)
	refreshAll(t, s, path, grants, total/10, 0) // the file has the size that it needs
	rows, file := rowsOf(t, s), sizeOf(t, path)
	began := time.Now()
	largest := max(refreshAll(t, s, path, grants, total, 0), refreshAll(t, s, path, grants, total/20, 8))
	t.Logf("%d refreshes in %v: the file had %d KiB and has %d, the log had at most %d KiB; rows %s",
		total, time.Since(began).Round(time.Second), file>>10, sizeOf(t, path)>>10, largest>>10, rows)
	if got := rowsOf(t, s); got != rows {
		t.Errorf("rows before: %s; after: %s", rows, got)
	}
	if got := sizeOf(t, path); got > file+file/4 {
		t.Errorf("the file has grown from %d to %d bytes", file, got)
	}
	if largest > logLimit {
		t.Errorf("the log has grown to %d bytes", largest)
	}
}

// logLimit is what the write-ahead log may grow to: it begins anew after about
// 4 MiB, as soon as no reader needs the old part.
const logLimit = 64 << 20

// beginGrants makes a user with a session for each of n clients.
func beginGrants(t *testing.T, s *store.Store, n int) []auth.Grant {
	t.Helper()
	ctx := t.Context()
	client, err := s.ClientByID(ctx, auth.ClientWrit)
	if err != nil {
		t.Fatal(err)
	}
	grants := make([]auth.Grant, n)
	for i := range grants {
		user := auth.User{ID: auth.NewID(auth.PrefixUser), Email: fmt.Sprintf("user%d@example.com", i), Epoch: auth.Random128()}
		handle := sha256.Sum256([]byte(user.ID))
		grants[i] = auth.Grant{ID: auth.Random128(), SessionID: auth.NewID(auth.PrefixSession), ClientID: client.ID, UserID: user.ID,
			Mode: auth.ModeToken, HandleHash: handle[:], UserEpoch: user.Epoch, ClientEpoch: client.Epoch}
		session := auth.Session{ID: grants[i].SessionID, UserID: user.ID}
		if err := errors.Join(s.CreateUser(ctx, user, auth.Event{}), s.Begin(ctx, session, grants[i], auth.Marks{}, auth.Event{})); err != nil {
			t.Fatal(err)
		}
	}
	return grants
}

// refreshAll lets every grant read and rotate as a refresh does, beside readers
// who never pause, so that somebody always needs a part of the log. It answers
// the largest size of the log that was seen meanwhile.
func refreshAll(t *testing.T, s *store.Store, path string, grants []auth.Grant, total int64, readers int) (largest int64) {
	t.Helper()
	var done atomic.Int64
	var all sync.WaitGroup
	for _, g := range grants {
		all.Go(func() {
			for done.Add(1) <= total {
				if err := refreshOne(t.Context(), s, g.HandleHash); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	stop := make(chan struct{})
	var watch sync.WaitGroup
	for i := range readers {
		watch.Go(func() {
			for open := true; open; {
				if _, err := s.HeldByHandle(t.Context(), grants[i].HandleHash); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					open = false
				default:
				}
			}
		})
	}
	watch.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			largest = max(largest, sizeOf(t, path+"-wal"))
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	all.Wait()
	close(stop)
	watch.Wait()
	return largest
}

func refreshOne(ctx context.Context, s *store.Store, handle []byte) error {
	held, err := s.HeldByHandle(ctx, handle)
	if err != nil {
		return err
	}
	from := held.Grant.Rotation
	to := auth.Rotation{Confirmed: from.Current, Current: from.Current + 1, IssuedAt: held.Now}
	ok, err := s.Rotate(ctx, held.Grant.ID, from, auth.Turn{To: to, Idle: held.Now.Add(time.Hour), SessionIdle: held.Now.Add(time.Hour)})
	if err == nil && !ok {
		err = errors.New("not rotated")
	}
	return err
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Error(err)
		return 0
	}
	return info.Size()
}

// rowsOf counts the rows of every table that a refresh might add to.
func rowsOf(t *testing.T, s *store.Store) string {
	t.Helper()
	text := ""
	for _, table := range []string{"sessions", "grants", "log", "audit"} {
		n, err := s.Query(t.Context(), "SELECT CAST(COUNT(*) AS TEXT) FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		text += table + "=" + n + " "
	}
	return text
}
