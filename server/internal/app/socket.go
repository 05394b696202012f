package app

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/edge"
)

// maxSocketPath is the longest path of a Unix socket that every system takes,
// less what the name of the private directory adds while it is being made.
const maxSocketPath = 80

// SocketPath is where the server of cfg takes the commands of its operator.
func SocketPath(cfg *config.Config) string { return filepath.Join(cfg.Data, "writ.sock") }

// listenSocket makes the operator's socket, which only the user of the server
// may open: it asks for no password. It is made in a private directory and
// moved into place, so that at no moment anybody else could connect, and so
// that it replaces one that a killed server left behind.
func listenSocket(path string) (*net.UnixListener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%s is too long for a socket; give a shorter --data", path)
	}
	if SocketAnswers(path) {
		return nil, fmt.Errorf("another server answers at %s; stop it, or give another --data", path)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".sock")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	private := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it won't be there any more
	if err := errors.Join(os.Chmod(private, 0o600), os.Rename(private, path)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// SocketAnswers reports whether a server accepts connections at a socket.
func SocketAnswers(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// Paths below which a running server tells its operator about itself: only the
// socket has them.
const (
	AboutPath  = "/v1/admin/server"        // an About
	HealthPath = "/v1/admin/server/health" // a Health
)

// About is what a running server says of itself over the socket, so that a verb
// can tell whether it is the one that was meant.
type About struct {
	Issuer   string `json:"issuer"`
	Database string `json:"database"` // as DatabaseName writes it
}

// Health is whether a running server can write to its database.
type Health struct {
	Problem string `json:"problem,omitempty"` // "" if it can
}

func (a *App) about(w http.ResponseWriter, _ *http.Request) error {
	return edge.WriteJSON(w, http.StatusOK, About{a.cfg.Issuer, DatabaseName(a.cfg)})
}

// health asks the database anew: an operator who has just mended it wants to
// know of now, and not of a second ago.
func (a *App) health(w http.ResponseWriter, r *http.Request) error {
	var h Health
	if err := a.store.Writable(r.Context()); err != nil {
		h.Problem = describe(a.cfg, err).Error()
	}
	return edge.WriteJSON(w, http.StatusOK, h)
}

// DatabaseName says which database the settings mean, for people and to compare:
// "sqlite:" and an absolute path, or the URL of a PostgreSQL database without
// its password and without what says only how to speak to it.
func DatabaseName(cfg *config.Config) string {
	if !cfg.Postgres() {
		path, err := filepath.Abs(cfg.SQLitePath())
		if err != nil {
			path = cfg.SQLitePath()
		}
		return "sqlite:" + path
	}
	u, err := url.Parse(cfg.Database)
	if err != nil { // Load has refused it
		return "postgres:"
	}
	named := url.URL{Scheme: "postgres", Host: u.Host, Path: u.Path}
	if name := u.User.Username(); name != "" {
		named.User = url.User(name)
	}
	if u.Port() == "5432" {
		named.Host = u.Host[:len(u.Host)-len(":5432")]
	}
	which := url.Values{}
	for _, key := range []string{"host", "port", "user", "dbname", "database", "search_path", "options", "service"} {
		if u.Query().Has(key) {
			which.Set(key, u.Query().Get(key))
		}
	}
	named.RawQuery = which.Encode()
	return named.String()
}

// SameDatabase reports whether two names are of one database: a file may have
// several.
func SameDatabase(a, b string) bool {
	if a == b {
		return true
	}
	first, isFile := sqliteFile(a)
	second, isFileToo := sqliteFile(b)
	return isFile && isFileToo && os.SameFile(first, second)
}

func sqliteFile(name string) (os.FileInfo, bool) {
	path, ok := strings.CutPrefix(name, "sqlite:")
	if !ok {
		return nil, false
	}
	info, err := os.Stat(path)
	return info, err == nil
}
