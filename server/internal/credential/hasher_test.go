package credential_test

import (
	"context"
	"errors"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/credential"
)

const mib = 1 << 20

func TestHashAndVerify(t *testing.T) {
	h := credential.New(credential.Options{Memory: 19 * mib})
	for _, password := range []string{"correct horse", "пароль-пароль", strings.Repeat("x", credential.MaxPassword), "with space ", ""} {
		hash, err := h.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`).MatchString(hash) {
			t.Errorf("hash %q has other parameters than OWASP's", hash)
		}
		if ok, err := h.Verify(t.Context(), hash, password); err != nil || !ok {
			t.Errorf("the right password: %v, %v", ok, err)
		}
		for _, wrong := range []string{password + "x", strings.ToUpper(password) + " ", "other"} {
			if ok, err := h.Verify(t.Context(), hash, wrong); err != nil || ok {
				t.Errorf("a wrong password: %v, %v", ok, err)
			}
		}
		if h.NeedsRehash(hash) {
			t.Error("a new hash needs another")
		}
	}
	first, _ := h.Hash(t.Context(), "same")
	second, _ := h.Hash(t.Context(), "same")
	if first == second {
		t.Error("two hashes of one password are equal: the salt isn't random")
	}
}

// Composed and decomposed é are two passwords, as documented.
func TestNoNormalisation(t *testing.T) {
	h := credential.New(credential.Options{Memory: 19 * mib})
	hash, err := h.Hash(t.Context(), "caf\u00e9-caf\u00e9")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := h.Verify(t.Context(), hash, "cafe\u0301-cafe\u0301"); err != nil || ok {
		t.Errorf("the decomposed spelling: %v, %v", ok, err)
	}
}

// The Argon2id vectors are those of the reference implementation, the bcrypt
// ones were made with libxcrypt.
func TestForeignHashes(t *testing.T) {
	h := credential.New(credential.Options{Memory: 64 * mib})
	long := strings.Repeat("x", 80)
	tests := []struct{ name, hash, password string }{
		{"64 MiB", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password"},
		{"256 KiB", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
		{"two lanes", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "password"},
		{"bcrypt 2b", "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "correct horse"},
		{"bcrypt 2y", "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "correct horse"},
		{"bcrypt 2a", "$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "correct horse"},
		{"bcrypt cuts off at 72 bytes", "$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q", long},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if ok, err := h.Verify(t.Context(), tt.hash, tt.password); err != nil || !ok {
				t.Errorf("the right password: %v, %v", ok, err)
			}
			if ok, err := h.Verify(t.Context(), tt.hash, "Password"); err != nil || ok {
				t.Errorf("a wrong password: %v, %v", ok, err)
			}
			if !h.NeedsRehash(tt.hash) {
				t.Error("NeedsRehash = false for a hash with other parameters")
			}
			if err := credential.CheckHash(tt.hash); err != nil {
				t.Errorf("CheckHash: %v", err)
			}
		})
	}
	if ok, _ := h.Verify(t.Context(), tests[3].hash, "correct horse\x00"); ok {
		t.Error("a NUL ends a password")
	}
}

func TestHashesRefused(t *testing.T) {
	const salt, tag = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	argon := func(params string) string { return "$argon2id$v=19$" + params + "$" + salt + "$" + tag }
	tests := []struct {
		name, hash string
		want       error
	}{
		{"empty", "", credential.ErrFormat},
		{"plain", "hunter2hunter2", credential.ErrFormat},
		{"argon2i", "$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + tag, credential.ErrFormat},
		{"argon2d", "$argon2d$v=19$m=19456,t=2,p=1$" + salt + "$" + tag, credential.ErrFormat},
		{"old version", "$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + tag, credential.ErrFormat},
		{"no version", "$argon2id$m=19456,t=2,p=1$" + salt + "$" + tag, credential.ErrFormat},
		{"order", argon("t=2,m=19456,p=1"), credential.ErrFormat},
		{"missing parameter", argon("m=19456,t=2"), credential.ErrFormat},
		{"further parameter", argon("m=19456,t=2,p=1,keyid=AA"), credential.ErrFormat},
		{"leading zero", argon("m=019456,t=2,p=1"), credential.ErrFormat},
		{"sign", argon("m=+19456,t=2,p=1"), credential.ErrFormat},
		{"negative", argon("m=-1,t=2,p=1"), credential.ErrFormat},
		{"overflow", argon("m=4294967296,t=2,p=1"), credential.ErrFormat},
		{"no passes", argon("m=19456,t=0,p=1"), credential.ErrFormat},
		{"no lanes", argon("m=19456,t=2,p=0"), credential.ErrFormat},
		{"less memory than lanes need", argon("m=7,t=2,p=1"), credential.ErrFormat},
		{"4 TiB", argon("m=4294967295,t=2,p=1"), credential.ErrCost},
		{"years", argon("m=19456,t=4294967295,p=1"), credential.ErrCost},
		{"lanes", argon("m=19456,t=2,p=255"), credential.ErrCost},
		{"short salt", "$argon2id$v=19$m=256,t=2,p=1$c2FsdA$" + tag, credential.ErrFormat},
		{"no salt", "$argon2id$v=19$m=256,t=2,p=1$$" + tag, credential.ErrFormat},
		{"no tag", "$argon2id$v=19$m=256,t=2,p=1$" + salt + "$", credential.ErrFormat},
		{"short tag", "$argon2id$v=19$m=256,t=2,p=1$" + salt + "$AAAA", credential.ErrFormat},
		{"padding", "$argon2id$v=19$m=256,t=2,p=1$" + salt + "=$" + tag, credential.ErrFormat},
		{"trailing bits", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHR$" + tag, credential.ErrFormat},
		{"newline", argon("m=256,t=2,p=1") + "\n", credential.ErrFormat},
		{"further part", argon("m=256,t=2,p=1") + "$", credential.ErrFormat},
		{"long", argon("m=256,t=2,p=1") + strings.Repeat("A", 1000), credential.ErrFormat},
		{"bcrypt 2", "$2$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2x", credential.ErrFormat},
		{"bcrypt 2x", "$2x$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", credential.ErrFormat},
		{"bcrypt short", "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy", credential.ErrFormat},
		{"bcrypt long", "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy22", credential.ErrFormat},
		{"bcrypt alphabet", "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lO+2", credential.ErrFormat},
		{"bcrypt cost 3", "$2b$03$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", credential.ErrFormat},
		{"bcrypt cost xx", "$2b$xx$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", credential.ErrFormat},
		{"bcrypt days", "$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", credential.ErrCost},
	}
	h := credential.New(credential.Options{Memory: 19 * mib})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, err := h.Verify(t.Context(), tt.hash, "hunter2hunter2")
			if ok || !errors.Is(err, tt.want) {
				t.Fatalf("Verify = %v, %v; want %v", ok, err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password or the hash: %v", err)
			}
			if err := credential.CheckHash(tt.hash); !errors.Is(err, tt.want) {
				t.Errorf("CheckHash = %v, want %v", err, tt.want)
			}
		})
	}
	within := argon("m=65536,t=2,p=1")
	if _, err := h.Verify(t.Context(), within, "password"); !errors.Is(err, credential.ErrCost) {
		t.Errorf("a hash of 64 MiB with a budget of 19: %v, want %v", err, credential.ErrCost)
	}
}

// A password beyond the limit is wrong, even for a hash that was made of it.
func TestVerifyTooLong(t *testing.T) {
	h := credential.New(credential.Options{Memory: 19 * mib})
	long := strings.Repeat("x", credential.MaxPassword+1)
	hash, err := h.Hash(t.Context(), long)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := h.Verify(t.Context(), hash, long); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestCheck(t *testing.T) {
	h := credential.New(credential.Options{})
	good := []string{"87654312", "пароль12", "🐎🐎🐎🐎🐎🐎🐎🐴", strings.Repeat("xy", 512), "       ,"}
	bad := []string{"", "1234567", "пароль1", "🐎🐎🐎🐎🐎🐎🐎", strings.Repeat("x", 1025), strings.Repeat("ü", 513), "1234567\xff8", "12345678\x00"}
	for _, password := range good {
		if err := h.Check("password", password); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
	for _, password := range bad {
		var e *auth.Error
		err := h.Check("new_password", password)
		if !errors.As(err, &e) || e.Code != auth.CodeInvalid || e.Field != "new_password" {
			t.Errorf("%q: %v, want %s for new_password", password, err, auth.CodeInvalid)
		}
		if password != "" && err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// TestCheckGuessable: what anybody would try first is refused, in whatever case: the
// list's passwords and the person's own names, and nothing that merely has one in it.
func TestCheckGuessable(t *testing.T) {
	h := credential.New(credential.Options{})
	person := []string{"ada.lovelace@example.com", "ada-the-first", ""}
	for password, want := range map[string]bool{
		"password": true, "12345678": true, "PassWord1": true, "qwertyuiop": true, "iloveyou": true, "zzzzzzzz": true, "🐎🐎🐎🐎🐎🐎🐎🐎": true, "        ": true,
		"ada.lovelace": true, "Ada.Lovelace@Example.com": true, "ADA-THE-FIRST": true,
		"example.com": false, "ada.lovelace 1843": false, "password of mine": false, " password": false,
		"correct horse battery staple": false, "tangible-plum-otter": false,
	} {
		err := h.Check("password", password, person...)
		if got := errors.Is(err, credential.Guessable); got != want {
			t.Errorf("%q: %v, want it refused as guessable: %v", password, err, want)
		}
	}
	if n := credential.CommonPasswords(); n != 15_769 {
		t.Errorf("%d passwords are on the list, in order and none twice; want 15,769", n)
	}
}

// An unknown user must cost what a known one does: the allocation of a hash is
// its cost, and doesn't vary from run to run as time does.
func TestVerifyNobodyCostsAHash(t *testing.T) {
	h := credential.New(credential.Options{Memory: 19 * mib})
	hash, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	known := allocated(func() { _, _ = h.Verify(t.Context(), hash, "wrong") })
	nobody := allocated(func() { _ = h.VerifyNobody(t.Context(), "wrong") })
	long := allocated(func() { _ = h.VerifyNobody(t.Context(), strings.Repeat("x", 60_000)) })
	for name, got := range map[string]uint64{"nobody": nobody, "nobody with a long password": long} {
		if got < 19*mib || got > known+mib {
			t.Errorf("%s costs %d bytes, a user %d", name, got, known)
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestWorkers(t *testing.T) {
	tests := []struct {
		name string
		opts credential.Options
		want int64
	}{
		{"memory for three", credential.Options{Memory: 3*19*mib + 18*mib, Workers: 8}, 3},
		{"processors for two", credential.Options{Memory: 1 << 40, Workers: 2}, 2},
		{"too little memory for one", credential.Options{Memory: 1, Workers: 8}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := credential.New(tt.opts)
				var atOnce, most atomic.Int64
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() {
						err := h.Run(t.Context(), 19*mib, func() {
							most.Store(max(most.Load(), atOnce.Add(1)))
							time.Sleep(time.Millisecond)
							atOnce.Add(-1)
						})
						if err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if most.Load() != tt.want {
					t.Errorf("%d hashes at once, want %d", most.Load(), tt.want)
				}
			})
		})
	}
}

// occupied is a pool of one worker whose place is taken until free is called.
func occupied(t *testing.T) (h *credential.Hasher, free func()) {
	t.Helper()
	h = credential.New(credential.Options{Memory: 19 * mib, Workers: 1})
	release := make(chan struct{})
	go func() { _ = h.Run(context.Background(), 19*mib, func() { <-release }) }()
	synctest.Wait()
	return h, func() { close(release) }
}

func TestQueueIsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, free := occupied(t)
		var order []int
		for i := range 20 {
			go func() { _ = h.Run(t.Context(), 19*mib, func() { order = append(order, i) }) }()
			synctest.Wait()
		}
		if running, waiting := h.Depth(); running != 1 || waiting != 20 {
			t.Errorf("Depth = %d, %d; want 1, 20", running, waiting)
		}
		free()
		synctest.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("served in the order %v", order)
			}
		}
		if running, waiting := h.Depth(); running != 0 || waiting != 0 || len(order) != 20 {
			t.Errorf("%d served, Depth = %d, %d", len(order), running, waiting)
		}
	})
}

func wantBusy(t *testing.T, err error) {
	t.Helper()
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != auth.CodeUnavailable || e.RetryAfter <= 0 {
		t.Errorf("error %v, want %s with RetryAfter", err, auth.CodeUnavailable)
	}
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, free := occupied(t)
		var served atomic.Int64
		for range 64 {
			go func() { _ = h.Run(t.Context(), 19*mib, func() { served.Add(1) }) }()
		}
		synctest.Wait()
		_, err := h.Hash(t.Context(), "one too many")
		wantBusy(t, err)
		if _, err := h.Verify(t.Context(), "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "x"); err == nil {
			t.Error("a cheaper hash passes by the queue")
		}
		wantBusy(t, h.VerifyNobody(t.Context(), "one too many"))
		free()
		synctest.Wait()
		if served.Load() != 64 {
			t.Errorf("%d of those who waited were served, want 64", served.Load())
		}
	})
}

// TestRefusalsAreSlow: who comes again at once gains nothing by it; but only so
// many are kept waiting.
func TestRefusalsAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, free := occupied(t)
		defer free()
		for range 64 {
			go func() { _ = h.Run(t.Context(), 19*mib, func() {}) }()
		}
		synctest.Wait()
		start := time.Now()
		times := make(chan time.Duration, 1001)
		for range 1001 {
			go func() {
				wantBusy(t, h.VerifyNobody(t.Context(), "one too many"))
				times <- time.Since(start)
			}()
		}
		if at := <-times; at != 0 {
			t.Errorf("the first of 1001 was refused after %v, want at once", at)
		}
		for range 1000 {
			if at := <-times; at != time.Second {
				t.Fatalf("refused after %v, want 1s", at)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- h.VerifyNobody(ctx, "goes away") }()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("error %v after %v, want %v at once", err, time.Since(start), context.Canceled)
		}
	})
}

func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, free := occupied(t)
		defer free()
		start := time.Now()
		wantBusy(t, h.VerifyNobody(t.Context(), "late"))
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("waited %s, want 5s", waited)
		}
	})
}

// Who goes away leaves the place to the next.
func TestCancelFreesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, free := occupied(t)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 64)
		for range 64 {
			go func() { errs <- h.Run(ctx, 19*mib, func() { t.Error("a hash nobody waits for was computed") }) }()
		}
		synctest.Wait()
		cancel()
		for range 64 {
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want %v", err, context.Canceled)
			}
		}
		served := make(chan error, 1)
		go func() { served <- h.Run(t.Context(), 19*mib, func() {}) }()
		synctest.Wait()
		free()
		if err := <-served; err != nil {
			t.Errorf("the next in line: %v", err)
		}
	})
}

// A hash with more memory takes the places of several, but not more than all.
func TestExpensiveHashTakesMorePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := credential.New(credential.Options{Memory: 4 * 19 * mib, Workers: 4})
		release := make(chan struct{})
		for _, size := range []int64{40 * mib, 19 * mib} { // three places and one
			go func() { _ = h.Run(t.Context(), size, func() { <-release }) }()
		}
		synctest.Wait()
		if running, _ := h.Depth(); running != 2 {
			t.Fatalf("%d run, want 2", running)
		}
		done := make(chan struct{})
		go func() {
			_ = h.Run(t.Context(), 1<<30, func() {})
			close(done)
		}()
		synctest.Wait()
		if running, waiting := h.Depth(); running != 2 || waiting != 1 {
			t.Errorf("Depth = %d, %d; want 2, 1", running, waiting)
		}
		close(release)
		<-done
	})
}

// FuzzHash looks for a spelling that is taken for another hash, or that costs
// more than is allowed.
func FuzzHash(f *testing.F) {
	for _, seed := range []string{
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$nf65EOgLrQMR",
		"$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "$2y$99$", "$argon2id$", "$$$$$", "",
	} {
		f.Add(seed)
	}
	h := credential.New(credential.Options{Memory: 19 * mib})
	f.Fuzz(func(t *testing.T, hash string) {
		err := credential.CheckHash(hash)
		if err != nil {
			if !errors.Is(err, credential.ErrFormat) && !errors.Is(err, credential.ErrCost) {
				t.Fatalf("error %v", err)
			}
			if !h.NeedsRehash(hash) {
				t.Fatal("what can't be read needs no rehash")
			}
			return
		}
		if len(hash) > 512 || strings.ContainsAny(hash, " \r\n\x00") {
			t.Fatalf("%q is taken for a hash", hash)
		}
		if strings.HasPrefix(hash, "$argon2id$v=19$m=8,t=1,p=1$") || strings.HasPrefix(hash, "$2b$04$") { // cheap enough
			if _, err := h.Verify(t.Context(), hash, "x"); err != nil {
				t.Fatalf("%q passed CheckHash, and Verify says %v", hash, err)
			}
		}
	})
}
