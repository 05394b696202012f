//go:build linux

package credential_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/credential"
)

// TestMain lets this program be the process that hashes beside itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "hash" {
		if credential.Serve(os.Stdin, os.Stdout) != nil {
			os.Exit(1)
		}
		return
	}
	m.Run()
}

func besideItself() *exec.Cmd { return exec.Command("/proc/self/exe", "hash") }

// signInAll verifies one hash many times at once, which is right.
func signInAll(t *testing.T, h *credential.Hasher, hash string) {
	t.Helper()
	var all sync.WaitGroup
	for range 3 { // who wait for each other, and not for too long on a slow machine
		all.Go(func() {
			if ok, err := h.Verify(t.Context(), hash, "a good one"); !ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
		})
	}
	all.Wait()
}

// untilBeside goes on until the hashes are computed elsewhere.
func untilBeside(t *testing.T, h *credential.Hasher, hash string) (pid int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; signInAll(t, h, hash) {
		if pid := h.Beside(); pid != 0 {
			return pid
		}
		if time.Now().After(end) {
			t.Fatal("everything is hashed here")
		}
	}
}

// TestBeside: a crowd is served by a process of lower priority, with the same
// answers, and nobody notices when that is killed.
func TestBeside(t *testing.T) {
	h := credential.New(credential.Options{Memory: 19 << 20, Workers: 1, Beside: besideItself})
	defer h.Close()
	hash, err := h.Hash(t.Context(), "a good one")
	if err != nil {
		t.Fatal(err)
	}
	if h.Beside() != 0 {
		t.Error("a process was started for one hash")
	}
	pid := untilBeside(t, h, hash)
	own, err1 := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	its, err2 := syscall.Getpriority(syscall.PRIO_PROCESS, pid)
	if err := errors.Join(err1, err2); err != nil || its != max(own-10, 1) {
		t.Errorf("priority %d beside one of %d, %v", its, own, err)
	}
	for password, want := range map[string]bool{"a good one": true, "a bad one": false, "": false, "\xff\n": false} {
		if ok, err := h.Verify(t.Context(), hash, password); ok != want || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
	odd, err := h.Hash(t.Context(), "\xff\x00\n")
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"\xff\x00\n": true, "\xfd\x00\n": false, "\ufffd\x00\n": false} {
		if ok, err := h.Verify(t.Context(), odd, password); ok != want || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
	if err := h.VerifyNobody(t.Context(), "a good one"); err != nil {
		t.Error(err)
	}
	if h.Beside() != pid {
		t.Error("the process didn't last")
	}

	done := make(chan struct{})
	go func() { defer close(done); signInAll(t, h, hash) }()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	<-done
	if again := untilBeside(t, h, hash); again == pid {
		t.Error("a process that was killed still hashes")
	}
}

// TestBesideEnds: it goes with its Hasher, which goes on without.
func TestBesideEnds(t *testing.T) {
	h := credential.New(credential.Options{Memory: 19 << 20, Workers: 1, Beside: besideItself})
	hash, err := h.Hash(t.Context(), "a good one")
	if err != nil {
		t.Fatal(err)
	}
	pid := untilBeside(t, h, hash)
	h.Close()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
	signInAll(t, h, hash)
	if pid := h.Beside(); pid != 0 {
		t.Error("a closed Hasher has started another")
	}
}

// TestBesideMissing: a process that can't be started, or ends at once, or says
// what it wasn't asked, harms nobody.
func TestBesideMissing(t *testing.T) {
	for name, cmd := range map[string]func() *exec.Cmd{
		"no such file": func() *exec.Cmd { return &exec.Cmd{Path: "/nowhere/writ"} },
		"ends":         func() *exec.Cmd { return exec.Command("/bin/true") },
		"babbles":      func() *exec.Cmd { return exec.Command("/bin/echo", `{"id":99,"right":true}{"id":2`) },
	} {
		t.Run(name, func(t *testing.T) {
			h := credential.New(credential.Options{Memory: 19 << 20, Workers: 1, Beside: cmd})
			defer h.Close()
			hash, err := h.Hash(t.Context(), "a good one")
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				signInAll(t, h, hash)
			}
			if ok, err := h.Verify(t.Context(), hash, "a bad one"); ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
		})
	}
}

// TestServeEnds: with its input, and with an error that doesn't repeat it.
func TestServeEnds(t *testing.T) {
	var out bytes.Buffer
	if err := credential.Serve(strings.NewReader(""), &out); err != nil {
		t.Error(err)
	}
	err := credential.Serve(strings.NewReader(`hunter2`), &out)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
