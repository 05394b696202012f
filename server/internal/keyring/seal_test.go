package keyring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sealer(t *testing.T, fill byte) *Sealer {
	t.Helper()
	s, err := NewSealer(bytes.Repeat([]byte{fill}, MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSealIsBound opens a sealed value everywhere but where it belongs.
func TestSealIsBound(t *testing.T) {
	s := sealer(t, 1)
	plain := []byte("the private part")
	sealed := s.Seal(SealPrivateKey, "keys", "k1", plain)
	if bytes.Contains(sealed, plain) {
		t.Fatal("the sealed value shows its content")
	}
	if got, err := s.Open(SealPrivateKey, "keys", "k1", sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("Open = %q, %v", got, err)
	}
	for _, c := range []struct {
		name       string
		s          *Sealer
		p          Purpose
		table, row string
		sealed     []byte
	}{
		{"another master key", sealer(t, 2), SealPrivateKey, "keys", "k1", sealed},
		{"another purpose", s, SealTagKey, "keys", "k1", sealed},
		{"another table", s, SealPrivateKey, "api_secrets", "k1", sealed},
		{"another row", s, SealPrivateKey, "keys", "k2", sealed},
		{"a part moved between table and row", s, SealPrivateKey, "keysk", "1", sealed},
		{"cut", s, SealPrivateKey, "keys", "k1", sealed[:len(sealed)-1]},
		{"empty", s, SealPrivateKey, "keys", "k1", nil},
		{"version alone", s, SealPrivateKey, "keys", "k1", sealed[:1]},
		{"another version", s, SealPrivateKey, "keys", "k1", append([]byte{9}, sealed[1:]...)},
		{"a changed bit", s, SealPrivateKey, "keys", "k1", append(bytes.Clone(sealed[:20]), append([]byte{sealed[20] ^ 1}, sealed[21:]...)...)},
	} {
		if got, err := c.s.Open(c.p, c.table, c.row, c.sealed); !errors.Is(err, ErrSealed) || got != nil {
			t.Errorf("%s: Open = %q, %v; want ErrSealed", c.name, got, err)
		}
	}
	if bytes.Equal(sealed, s.Seal(SealPrivateKey, "keys", "k1", plain)) {
		t.Error("sealing twice gave the same bytes: the nonce is not random")
	}
}

func TestMasterFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := ReadMaster(path); !errors.Is(err, ErrNoMaster) {
		t.Fatalf("no file: %v, want ErrNoMaster", err)
	}
	made, err := WriteMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	read, err := ReadMaster(path)
	if err != nil || !bytes.Equal(made, read) || len(read) != MasterSize {
		t.Errorf("read %d bytes, %v; not what was made", len(read), err)
	}
	if _, err := WriteMaster(path); err == nil {
		t.Error("a master key was overwritten")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMaster(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others can read: %v; want a hint at chmod", err)
	}
}

func TestParseMaster(t *testing.T) {
	good := strings.Repeat("A", 42) + "E"
	for _, text := range []string{good, good + "\n", "  " + good + "=\n"} {
		if key, err := ParseMaster(text); err != nil || len(key) != MasterSize {
			t.Errorf("%q: %d bytes, %v", text, len(key), err)
		}
	}
	for _, text := range []string{"", good[1:], good + "AA", strings.Repeat("A", 42) + "F", strings.Repeat("+", 43), "hunter2"} {
		if _, err := ParseMaster(text); err == nil {
			t.Errorf("%q was accepted", text)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}
