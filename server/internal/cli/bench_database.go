package cli

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
)

// database is the arguments by which the throwaway server uses the database
// that was named, if there is one. On PostgreSQL a server wants its master key
// given; one that ends with the run gets a key that does, too. A second run on
// the same database is refused: what the first sealed can't be opened.
func (b *benchRun) database(dir string) ([]string, error) {
	dsn := givenSettings(b.Settings)["database"]
	if dsn == "" {
		return nil, nil
	}
	args := []string{"--database", dsn}
	if strings.HasPrefix(dsn, "sqlite:") {
		return args, nil
	}
	key := make([]byte, 32)
	rand.Read(key)
	file := filepath.Join(dir, "bench.key")
	return append(args, "--master-key-file", file), os.WriteFile(file, []byte(base64.RawURLEncoding.EncodeToString(key)), 0o600)
}
