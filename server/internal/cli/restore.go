package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
)

// restoreCmd makes a server of a back-up.
type restoreCmd struct {
	File         string       `arg:"" help:"The back-up."`
	Replace      bool         `help:"Put the database that is there aside, under another name."`
	ChangeIssuer bool         `help:"The issuer of the settings is another than the back-up's, and every API and client follows."`
	Settings     kong.Plugins `embed:""`
}

// restored is what restore says with --json.
type restored struct {
	Issuer   string           `json:"issuer"`
	From     time.Time        `json:"backup_time"`
	Rows     int64            `json:"rows"`
	Log      string           `json:"log"` // the id of the new revocation log
	Database string           `json:"database"`
	Aside    string           `json:"replaced,omitempty"` // where the database is that was there
	Secrets  []restoredSecret `json:"api_secrets,omitempty"`
	Warning  string           `json:"warning,omitempty"`
}

type restoredSecret struct {
	Audience string `json:"audience"`
}

// Run reads the whole back-up before it touches anything.
func (c restoreCmd) Run(ctx context.Context, p *program) error {
	cfg, err := p.loadConfig(c.Settings)
	if err != nil {
		return err
	}
	if err := wantStopped(ctx, cfg); err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	how := app.Restore{Replace: c.Replace, ChangeIssuer: c.ChangeIssuer, Checked: p.progress("checked"), Loaded: p.progress("loaded")}
	out, err := app.RestoreFile(ctx, cfg, p.appOptions(slog.DiscardHandler), f, how)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	r := restored{Issuer: out.Issuer, From: out.From.Time, Rows: out.Rows, Log: out.Log, Database: out.Database, Aside: out.Aside}
	for _, s := range out.Secrets {
		r.Secrets = append(r.Secrets, restoredSecret{s.Audience})
	}
	if out.Lost != nil {
		r.Warning = fmt.Sprintf("the replaced database could not be read (%v), so verifiers can't be told of keys made after the back-up: they accept those keys' tokens until they load the key set again", out.Lost)
	}
	return p.show(r, func(w io.Writer) error {
		_, err := io.WriteString(w, r.text(p.Now()))
		return err
	})
}

// wantStopped refuses to restore beside a server on the data directory, be its
// database another one: whoever moves a server would lose what that one still
// writes.
func wantStopped(ctx context.Context, cfg *config.Config) error {
	runs, err := socketRuns(cfg)
	if err != nil || !runs {
		return err
	}
	client := socketClient(app.SocketPath(cfg))
	about, unknown := askAbout(ctx, client, cfg)
	why := ""
	if named := app.DatabaseName(cfg); unknown == nil && !app.SameDatabase(about.Database, named) {
		why = fmt.Sprintf(", with %s: what it still writes would not be in %s", about.Database, named)
	}
	if err := client.close(); err != nil {
		return err
	}
	return fmt.Errorf("a server runs on %s%s; stop it first, or name another place with --data", cfg.Data, why)
}

func (r restored) text(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is restored as it was at %s: %d rows, in %s\n", oneLine(r.Issuer), when(r.From, now), r.Rows, oneLine(r.Database))
	if r.Aside != "" {
		fmt.Fprintf(&b, "the database that was there is %s\n", oneLine(r.Aside))
	}
	b.WriteString("everybody signs in again: sessions are not restored, signing keys are new, and the new revocation log names every old key\n")
	for _, s := range r.Secrets {
		fmt.Fprintf(&b, "%s keeps the shared secret of the back-up: whoever holds only that accepts older tokens until they expire\n", oneLine(s.Audience))
	}
	if r.Warning != "" {
		fmt.Fprintf(&b, "warning: %s\n", oneLine(r.Warning))
	}
	return b.String()
}
