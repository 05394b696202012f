package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
)

// TestDatabaseName: which database it is, and no password.
func TestDatabaseName(t *testing.T) {
	for dsn, want := range map[string]string{
		"sqlite:/var/lib/writ/../writ/writ.db":                                     "sqlite:/var/lib/writ/writ.db",
		"postgres://writ:s3cret@db.example/writ":                                   "postgres://writ@db.example/writ",
		"postgresql://writ:s3cret@db.example:5432/writ?sslmode=require":            "postgres://writ@db.example/writ",
		"postgres://writ@db.example:5433/writ?password=s3cret":                     "postgres://writ@db.example:5433/writ",
		"postgres://writ@[::1]:5432/writ":                                          "postgres://writ@[::1]/writ",
		"postgres://db.example/writ?pool_max_conns=4&sslpassword=s3cret":           "postgres://db.example/writ",
		"postgres://db.example/writ?search_path=tenant&user=other&password=s3cret": "postgres://db.example/writ?search_path=tenant&user=other",
		"postgres://:s3cret@db.example/writ":                                       "postgres://db.example/writ",
	} {
		got := app.DatabaseName(&config.Config{Database: dsn})
		if got != want {
			t.Errorf("%s is called %s, want %s", dsn, got, want)
		}
		if strings.Contains(got, "s3cret") {
			t.Errorf("%s shows the password", got)
		}
	}
}

// TestSameDatabase: a file is one database under all its names.
func TestSameDatabase(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "writ.db"), filepath.Join(dir, "link.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	const pg = "postgres://writ@db.example/writ"
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"sqlite:" + file, "sqlite:" + file, true},
		{"sqlite:" + file, "sqlite:" + link, true},
		{"sqlite:" + file, "sqlite:" + filepath.Join(dir, "other.db"), false},
		{"sqlite:" + file, pg, false},
		{pg, pg, true},
		{pg, "postgres://writ@db.example/other", false},
	} {
		if got := app.SameDatabase(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
