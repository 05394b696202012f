package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/backup"
	"github.com/writ-auth/writ/server/internal/fsync"
)

// backupCmd makes a back-up of a server, which may run.
type backupCmd struct {
	adminFlags
	File  string `arg:"" help:"The back-up, a new file; - writes it to standard output."`
	Force bool   `help:"Replace a file that is there."`
}

// backedUp is what backup says with --json.
type backedUp struct {
	File   string `json:"file"`
	Issuer string `json:"issuer"`
	Time   string `json:"time"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of what is in it, before compression
}

// Run writes the file under another name first: what has the name that was
// asked for is whole, checked, and safe on the disk.
func (c backupCmd) Run(ctx context.Context, p *program) error {
	if c.File == "-" {
		_, _, err := c.copy(ctx, p, p.Stdout)
		return err
	}
	if info, err := os.Lstat(c.File); err == nil {
		switch {
		case !info.Mode().IsRegular(): // a rename would put a file in the place of a device
			return fmt.Errorf("%s is no ordinary file; name a new file, or - for standard output", c.File)
		case !c.Force:
			return occupied(c.File)
		}
	}
	f, err := os.CreateTemp(filepath.Dir(c.File), "."+filepath.Base(c.File)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("%s can't be made: %w; choose another place", c.File, plainPath(err))
	}
	in, size, err := c.copy(ctx, p, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = c.name(f.Name())
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	h := in.Header
	out := backedUp{c.File, h.Issuer, h.Time.Format("2006-01-02T15:04:05Z07:00"), in.Rows(), size, in.Sum()}
	return p.show(out, printLine(fmt.Sprintf("%s backs up %s: %d rows, %s. It holds hashes of passwords: keep it as safe as the server. The master key is not in it.",
		c.File, h.Issuer, out.Rows, amount(size))))
}

// name gives a whole back-up its name, and replaces another file only if that
// is wanted.
func (c backupCmd) name(temporary string) error {
	if c.Force {
		if err := os.Rename(temporary, c.File); err != nil {
			return err
		}
		return fsync.Dir(filepath.Dir(c.File))
	}
	if err := os.Link(temporary, c.File); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return occupied(c.File)
		}
		return err
	}
	return errors.Join(os.Remove(temporary), fsync.Dir(filepath.Dir(c.File)))
}

func occupied(name string) error {
	return fmt.Errorf("%s is there already; choose another name, or replace it with --force", name)
}

// plainPath drops the path of a temporary file from an error.
func plainPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// copy writes a back-up to w and checks it on the way.
func (c backupCmd) copy(ctx context.Context, p *program, w io.Writer) (*backup.Reader, int64, error) {
	from, err := c.open(ctx, p)
	if err != nil {
		return nil, 0, err
	}
	counted := &counter{w: w}
	in, err := backup.Copy(counted, from, p.progress("saved"))
	if e := from.Close(); errors.Is(err, backup.ErrDamaged) || err == nil {
		// What went wrong at the source says more than where its answer ends.
		err = errors.Join(e, err)
	}
	if counted.err != nil {
		err = fmt.Errorf("the back-up can't be written: %w", plainPath(counted.err))
	}
	return in, counted.n, err
}

// open asks the server that runs, or else reads its database.
func (c backupCmd) open(ctx context.Context, p *program) (io.ReadCloser, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Server != "" {
		client, err := p.remoteClient(c.Server)
		if err != nil {
			return nil, err
		}
		return client.download(ctx, adminPath+"backup")
	}
	cfg, err := p.loadConfig(c.Settings)
	if err != nil {
		return nil, err
	}
	switch client, err := running(ctx, cfg); {
	case err != nil:
		return nil, err
	case client != nil:
		return client.download(ctx, adminPath+"backup")
	}
	return produce(func(w io.Writer) error { return app.Backup(ctx, cfg, p.appOptions(slog.DiscardHandler), w) }), nil
}

// download asks for something that is too large for a timeout or the memory.
func (c *adminClient) download(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	patient := *c.http
	patient.Timeout = 0
	res, err := patient.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	data, err := readCapped(res.Body, c.base)
	return nil, errors.Join(readProblem(res, data), err, res.Body.Close())
}

// produce reads what write writes. Close answers write's error.
func produce(write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	p := &production{r: r, done: make(chan error, 1)}
	go func() {
		err := write(w)
		_ = w.CloseWithError(err)
		p.done <- err
	}()
	return p
}

type production struct {
	r    *io.PipeReader
	done chan error
}

func (p *production) Read(b []byte) (int, error) { return p.r.Read(b) }

func (p *production) Close() error {
	_ = p.r.Close()
	if err := <-p.done; !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	return nil
}

// counter counts what is written, and remembers why it could not be.
type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.err = err
	return n, err
}

// progress tells a person how far it has come, a table a line.
func (p *program) progress(done string) backup.Progress {
	return func(table string, rows int64, end bool) {
		if end && rows > 0 || !end && rows%100_000 == 0 {
			p.note("%s %d rows of %s", done, rows, table)
		}
	}
}

// amount is a size for people.
func amount(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
