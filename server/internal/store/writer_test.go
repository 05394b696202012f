package store_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// A watch stands between the store and the driver and sees every COMMIT. When
// commit is set it is called instead, with the real one to call or not.
type watch struct {
	driver.Connector
	commits atomic.Int64
	commit  atomic.Pointer[func(commit func() error) error]
	connect func(driver.Conn) error
}

func (w *watch) wrap(c driver.Connector) driver.Connector {
	w.Connector = c
	return w
}

func (w *watch) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := w.Connector.Connect(ctx)
	if err == nil && w.connect != nil {
		err = w.connect(c)
	}
	return watchedConn{c, w}, err
}

type watchedConn struct {
	driver.Conn
	w *watch
}

func (c watchedConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	if err == nil && text == "COMMIT" {
		return watchedCommit{s, c.w}, nil
	}
	return s, err
}

type watchedCommit struct {
	driver.Stmt
	w *watch
}

func (s watchedCommit) ExecContext(ctx context.Context, args []driver.NamedValue) (result driver.Result, err error) {
	s.w.commits.Add(1)
	commit := func() error {
		result, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		return err
	}
	if instead := s.w.commit.Load(); instead != nil {
		return result, (*instead)(commit)
	}
	return result, commit()
}

func role(i any) auth.Role { return auth.Role{ID: fmt.Sprint("rol_", i), Name: fmt.Sprint("role ", i)} }

func create(t *testing.T, s *store.Store, i any) error {
	return s.CreateRole(t.Context(), role(i), auth.Event{Action: "role.create"})
}

func stored(t *testing.T, s *store.Store, i any) bool {
	t.Helper()
	_, err := s.RoleByName(t.Context(), role(i).ID)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// hold occupies the writer until release is called, so that what comes next
// waits and makes one batch.
func hold(t *testing.T, s *store.Store) (release func()) {
	t.Helper()
	held, let := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- s.Transact(context.Background(), func(func(string, ...any) error) error {
			close(held)
			<-let
			return nil
		})
	}()
	<-held
	return sync.OnceFunc(func() {
		close(let)
		if err := <-done; err != nil {
			t.Errorf("the transaction that held the writer: %v", err)
		}
	})
}

// batch has the store carry out all functions in one commit.
func batch(t *testing.T, s *store.Store, functions ...func() error) []error {
	t.Helper()
	release := hold(t, s)
	errs := make([]error, len(functions))
	var all sync.WaitGroup
	for i, f := range functions {
		all.Go(func() { errs[i] = f() })
		for s.Waiting() < i+1 { // in this order
			runtime.Gosched()
		}
	}
	release()
	all.Wait()
	return errs
}

func TestBatchSharesOneCommit(t *testing.T) {
	w := new(watch)
	s := open(t, store.Options{}.Wrapped(w.wrap))
	var functions []func() error
	for i := range 100 {
		functions = append(functions, func() error { return create(t, s, i) })
	}
	before := w.commits.Load()
	if err := errors.Join(batch(t, s, functions...)...); err != nil {
		t.Fatal(err)
	}
	if got := w.commits.Load() - before; got != 2 {
		t.Errorf("%d commits, want 2: the held one and the batch", got)
	}
}

func TestFailureHarmsNoBatchMate(t *testing.T) {
	s := open(t, store.Options{})
	own := errors.New("own")
	half := func(then func() error) func() error {
		return func() error {
			return s.Transact(t.Context(), func(exec func(string, ...any) error) error {
				if err := exec("INSERT INTO settings (name, value) VALUES ('half', 'done')"); err != nil {
					return err
				}
				return then()
			})
		}
	}
	errs := batch(t, s,
		func() error { return create(t, s, 1) },
		half(func() error { return own }),
		func() error { return create(t, s, 2) },
		half(func() error { panic("a defect") }),
		func() error { return create(t, s, 2) },
		func() error {
			return s.Transact(t.Context(), func(exec func(string, ...any) error) error { return exec("no SQL at all") })
		},
		func() error { return create(t, s, 3) },
	)
	for _, i := range []int{0, 2, 6} {
		if errs[i] != nil {
			t.Errorf("function %d: %v, want success", i, errs[i])
		}
	}
	var panicked *store.PanicError
	if !errors.Is(errs[1], own) || !errors.As(errs[3], &panicked) || !errors.Is(errs[4], auth.ErrConflict) || errs[5] == nil {
		t.Errorf("errors %v, want own, a panic, a conflict, a syntax error", errs)
	}
	for i := 1; i <= 3; i++ {
		if !stored(t, s, i) {
			t.Errorf("role %d is not stored", i)
		}
	}
	if _, err := s.Setting(t.Context(), "half"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("a failed function's half is stored: %v", err)
	}
}

// answersEarly reports whether write returned while the commit of what it
// wrote was still under way.
func answersEarly(t *testing.T, write func(*testing.T, *store.Store) error) (early bool) {
	synctest.Test(t, func(t *testing.T) {
		w := new(watch)
		s := open(t, store.Options{}.Wrapped(w.wrap))
		let := make(chan struct{})
		wait := func(commit func() error) error {
			<-let
			return commit()
		}
		w.commit.Store(&wait)
		answered := make(chan error, 1)
		go func() { answered <- write(t, s) }()
		synctest.Wait() // until nothing moves any more: the commit waits for let
		early = len(answered) > 0
		close(let)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if !stored(t, s, 1) {
			t.Error("nothing was stored")
		}
	})
	return early
}

func TestNoAnswerBeforeCommit(t *testing.T) {
	if answersEarly(t, func(t *testing.T, s *store.Store) error { return create(t, s, 1) }) {
		t.Error("the store answered before the commit had returned")
	}
	// The check itself must see a store that does not wait.
	if !answersEarly(t, func(t *testing.T, s *store.Store) error { go create(t, s, 1); return nil }) {
		t.Error("the check misses an early answer")
	}
}

func TestNoNewsBeforeCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(watch)
		s := open(t, store.Options{}.Wrapped(w.wrap))
		let := make(chan struct{})
		wait := func(commit func() error) error {
			<-let
			return commit()
		}
		w.commit.Store(&wait)
		news := s.Published()
		go s.Revoke(t.Context(), 1, "jti", s0, auth.Event{})
		synctest.Wait()
		select {
		case <-news:
			t.Error("an entry was announced before its commit had returned")
		default:
		}
		close(let)
		<-news
	})
}

func TestFailedCommitFailsAll(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "writ.db")
	w := new(watch)
	s := open(t, store.Options{DSN: dsn}.Wrapped(w.wrap))
	broken := errors.New("the disk is on fire")
	release := hold(t, s)
	news := s.Published()
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i, f := range []func() error{
		func() error { return create(t, s, 1) },
		func() error { return create(t, s, 2) },
		func() error { return create(t, s, 2) }, // decided "conflict" by what is gone
		func() error { _, err := s.Revoke(t.Context(), 1, "jti", s0, auth.Event{}); return err },
	} {
		all.Go(func() { errs[i] = f() })
		for s.Waiting() < i+1 {
			runtime.Gosched()
		}
	}
	var count atomic.Int64
	fail := func(commit func() error) error {
		if count.Add(1) == 1 { // the transaction that held the writer
			return commit()
		}
		return broken
	}
	w.commit.Store(&fail)
	release()
	all.Wait()
	w.commit.Store(nil)
	for i, err := range errs {
		if !errors.Is(err, broken) {
			t.Errorf("function %d: %v, want the commit's error", i, err)
		}
	}
	select {
	case <-news:
		t.Error("an entry was announced that is not there")
	default:
	}
	if err := create(t, s, 3); err != nil {
		t.Errorf("after a failed commit: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Options{DSN: dsn})
	if stored(t, s, 1) || stored(t, s, 2) || !stored(t, s, 3) {
		t.Error("stored is what failed, or not what succeeded")
	}
}

func TestCancelledBeforeItsTurn(t *testing.T) {
	s := open(t, store.Options{})
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error)
	go func() { answer <- s.CreateRole(ctx, role(1), auth.Event{}) }()
	for s.Waiting() < 1 {
		runtime.Gosched()
	}
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	release()
	if err := create(t, s, 2); err != nil {
		t.Fatal(err)
	}
	if stored(t, s, 1) {
		t.Error("what was given up was stored")
	}
	if err := s.CreateRole(ctx, role(3), auth.Event{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v, want context.Canceled", err)
	}
}

func TestCancelledDuringItsTurn(t *testing.T) {
	s := open(t, store.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Transact(ctx, func(exec func(string, ...any) error) error {
		cancel()
		return exec("INSERT INTO settings (name, value) VALUES ('a', 'b')")
	})
	if err != nil {
		t.Errorf("error %v, want the outcome", err)
	}
	if v, err := s.Setting(t.Context(), "a"); err != nil || v != "b" {
		t.Errorf("Setting = %q, %v, want b", v, err)
	}
}

func TestCloseFinishesWhatWaits(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "writ.db")
	s := open(t, store.Options{DSN: dsn})
	var all sync.WaitGroup
	release := hold(t, s)
	for i := range 20 {
		all.Go(func() {
			if err := create(t, s, i); err != nil {
				t.Error(err)
			}
		})
	}
	for s.Waiting() < 20 {
		runtime.Gosched()
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	all.Wait()
	if err := create(t, s, 99); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a write after Close: %v, want ErrClosed", err)
	}
	if _, err := s.Setting(t.Context(), "log_id"); err == nil {
		t.Error("a read after Close has no error")
	}
	s = open(t, store.Options{DSN: dsn})
	for i := range 20 {
		if !stored(t, s, i) {
			t.Errorf("role %d was answered and is not stored", i)
		}
	}
}

// Of many that make the same thing, one succeeds, whatever batches they fall into.
func TestWritersUnderLoad(t *testing.T) {
	s := open(t, store.Options{})
	var all sync.WaitGroup
	var conflicts atomic.Int64
	for range 32 {
		all.Go(func() {
			for i := range 20 {
				if err := create(t, s, i); errors.Is(err, auth.ErrConflict) {
					conflicts.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := conflicts.Load(); got != 31*20 {
		t.Errorf("%d conflicts, want %d", got, 31*20)
	}
}
