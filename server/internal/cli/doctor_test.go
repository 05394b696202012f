package cli_test

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/cli"
	"github.com/writ-auth/writ/server/internal/config"
)

// TestDoctorWithoutDatabase stops the database of a running server: that it was
// open when the server started is no longer the truth.
func TestDoctorWithoutDatabase(t *testing.T) {
	pg := pgtest.StartOwn(t, "fsync=off")
	data := t.TempDir()
	environ := []string{
		"WRIT_DATABASE=" + strings.Replace(pg.Database(t), "@", ":s3cret@", 1), // trusted without
		"WRIT_DATA=" + data, "WRIT_MASTER_KEY=" + strings.Repeat("A", 43), "WRIT_ADMIN_PASSWORD=seven small green lamps",
	}
	operate(t, environ)
	for _, c := range []struct {
		want string
		stop bool
	}{
		{want: `ok +server +runs, and can write to postgres://[^ ]+\n`},
		{want: `fail +server +runs, but can't work with postgres://[^ ]+: the database can't be reached`, stop: true},
	} {
		if c.stop {
			pg.Stop(t)
		}
		var out, errs bytes.Buffer
		cli.Run(t.Context(), cli.Environment{Args: []string{"doctor"}, Environ: environ, Stdout: &out, Stderr: &errs, Now: time.Now})
		if !regexp.MustCompile(c.want).MatchString(out.String()) {
			t.Errorf("doctor says\n%s%s, want %s", &out, &errs, c.want)
		}
		if strings.Contains(out.String()+errs.String(), "s3cret") {
			t.Errorf("doctor shows the password:\n%s%s", &out, &errs)
		}
	}
}

// TestDoctorFindsDamage has the disk change pages of a server that runs, and can
// write to them all the same.
func TestDoctorFindsDamage(t *testing.T) {
	data := t.TempDir()
	environ := []string{"WRIT_DATA=" + data, "WRIT_ADMIN_PASSWORD=seven small green lamps"}
	operate(t, environ)
	doctor := func() string {
		var out bytes.Buffer
		cli.Run(t.Context(), cli.Environment{Args: []string{"doctor"}, Environ: environ, Stdout: &out, Stderr: &out, Now: time.Now})
		return out.String()
	}
	if out := doctor(); !strings.Contains(out, "writ.db is whole") {
		t.Errorf("doctor says\n%s", out)
	}
	f, err := os.OpenFile(filepath.Join(data, "writ.db"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	for at := int64(8192); err == nil && at < info.Size(); at += 8192 {
		_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, 200), at)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out := doctor(); !regexp.MustCompile(`fail +database +the database is damaged`).MatchString(out) {
		t.Errorf("with damaged pages doctor says\n%s", out)
	}
}

// operate opens a server and serves its operator's socket.
func operate(t *testing.T, environ []string) {
	t.Helper()
	none := func(name string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	cfg, err := config.Load(config.Source{Environ: environ, ReadFile: none})
	if err != nil {
		t.Fatal(err)
	}
	// Not the clock of tests: the server's would stand still in its database's.
	a, err := app.New(context.Background(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() }) // its database may be gone
	socket, err := net.Listen("unix", app.SocketPath(cfg))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: a.Operator()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(socket) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}
