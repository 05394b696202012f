package keyring

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/writ-auth/writ/server/internal/fsync"
)

// MasterSize is the length of a master key in bytes.
const MasterSize = 32

// ErrNoMaster says that no master key is where it should be.
var ErrNoMaster = errors.New("keyring: no master key")

// ParseMaster reads a master key as its file or WRIT_MASTER_KEY holds it:
// 32 bytes in base64url, with white space around it allowed.
func ParseMaster(text string) ([]byte, error) {
	key, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(strings.TrimSpace(text), "="))
	if err != nil || len(key) != MasterSize {
		return nil, fmt.Errorf("the master key must be %d bytes in base64url (43 characters)", MasterSize)
	}
	return key, nil
}

// ReadMaster reads the master key's file: ErrNoMaster if there is none. A file
// that others than its owner can read is refused, since whoever holds the
// master key and a back-up of the database can sign as this server.
func ReadMaster(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoMaster
	}
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 on it", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := ParseMaster(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// WriteMaster makes a master key and its file (mode 0600), durable when it
// returns. It never overwrites: a lost master key can't be made again.
func WriteMaster(path string) ([]byte, error) {
	key := make([]byte, MasterSize)
	rand.Read(key)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(f, base64.RawURLEncoding.EncodeToString(key))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	// Rows sealed under a key whose file vanished in a power failure would be lost.
	return key, fsync.Dir(filepath.Dir(path))
}
