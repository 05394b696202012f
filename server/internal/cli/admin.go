package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
)

// newGrammar fills in the flags that come from the table of settings.
func newGrammar() *grammar {
	g := &grammar{}
	g.Serve.Settings = settingFlags()
	g.Doctor.Settings = settingFlags()
	g.Restore.Settings = settingFlags()
	g.Bench.Settings = settingFlags("config", "data", "database", "issuer")
	for _, f := range []*adminFlags{
		&g.Users.adminFlags, &g.Orgs.adminFlags, &g.Roles.adminFlags, &g.Apis.adminFlags, &g.Clients.adminFlags,
		&g.Sessions.adminFlags, &g.Revoke.adminFlags, &g.Keys.List.adminFlags, &g.Keys.Import.adminFlags,
		&g.Keys.Export.adminFlags, &g.Keys.Rotate.adminFlags, &g.Backup.adminFlags,
	} {
		f.Settings = settingFlags("config", "data", "database", "master-key-file", "issuer")
	}
	return g
}

// withAdmin calls do with a client of the server that the flags mean: a remote
// one, the one that runs on the data directory, or none, where the database is
// opened in this process and served by the very same handler.
func (p *program) withAdmin(ctx context.Context, flags adminFlags, do func(*adminClient) error) error {
	client, err := p.admin(ctx, flags)
	if err != nil {
		return err
	}
	return errors.Join(do(client), client.close())
}

func (p *program) admin(ctx context.Context, flags adminFlags) (*adminClient, error) {
	if err := flags.check(); err != nil {
		return nil, err
	}
	if flags.Server != "" {
		return p.remoteClient(flags.Server)
	}
	cfg, err := p.loadConfig(flags.Settings)
	if err != nil {
		return nil, err
	}
	if client, err := running(ctx, cfg); client != nil || err != nil {
		return client, err
	}
	a, err := app.Open(ctx, cfg, p.appOptions(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return handlerClient(a.Operator(), a.Close), nil
}

// withPublic is withAdmin for what everybody may ask: a remote server needs no
// credential for it.
func (p *program) withPublic(ctx context.Context, flags adminFlags, do func(*adminClient) error) error {
	if flags.Server == "" {
		return p.withAdmin(ctx, flags, do)
	}
	if err := flags.check(); err != nil {
		return err
	}
	client, err := networkClient(flags.Server)
	if err != nil {
		return err
	}
	return errors.Join(do(client), client.close())
}

func (p *program) appOptions(h slog.Handler) app.Options {
	return app.Options{Logger: slog.New(h), Now: p.Now}
}

// running is a client of the server that runs on the data directory, nil if
// none does. A server that isn't the one the command line names is an error:
// its users would be listed, changed or locked out in place of the others.
func running(ctx context.Context, cfg *config.Config) (*adminClient, error) {
	if runs, err := socketRuns(cfg); err != nil || !runs {
		return nil, err
	}
	client := socketClient(app.SocketPath(cfg))
	if err := wantNamed(ctx, client, cfg); err != nil {
		return nil, errors.Join(err, client.close())
	}
	return client, nil
}

// wantNamed compares a running server with the settings that were given for
// this command, by a flag or the environment. What a file says is the server's
// affair, which its own flags may have overruled.
func wantNamed(ctx context.Context, client *adminClient, cfg *config.Config) error {
	database, issuer := given(cfg, "database"), given(cfg, "issuer")
	if database == "" && issuer == "" {
		return nil
	}
	about, err := askAbout(ctx, client, cfg)
	if err != nil {
		return err
	}
	if named := app.DatabaseName(cfg); database != "" && !app.SameDatabase(about.Database, named) {
		return otherServer(cfg, "uses "+about.Database, named, database)
	}
	if issuer != "" && about.Issuer != cfg.Issuer {
		return otherServer(cfg, "has the issuer "+about.Issuer, cfg.Issuer, issuer)
	}
	return nil
}

func otherServer(cfg *config.Config, is, named, by string) error {
	return fmt.Errorf("the server that runs on %s %s, not %s; name another --data, or leave %s out", cfg.Data, is, named, by)
}

// given is the flag or the variable that a setting came from, "" if none did.
func given(cfg *config.Config, setting string) string {
	where := cfg.Origin(setting)
	for _, s := range config.Settings() {
		if s.Name == setting && (where == "--"+s.Name || where == s.Env) {
			return where
		}
	}
	return ""
}

// askAbout asks a running server what it is.
func askAbout(ctx context.Context, client *adminClient, cfg *config.Config) (app.About, error) {
	var about app.About
	err := client.call(ctx, http.MethodGet, app.AboutPath, nil, &about)
	var refused *problem
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		err = fmt.Errorf("the server that runs on %s is of an earlier version, which can't say what it uses; start it again", cfg.Data)
	}
	return about, err
}

// visible reports whether this user may know whether there is such a file.
func visible(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrPermission)
}

// socketRuns reports whether a server answers at the data directory's socket.
func socketRuns(cfg *config.Config) (bool, error) {
	path := app.SocketPath(cfg)
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		return true, conn.Close()
	case errors.Is(err, syscall.EACCES) && !visible(path):
		return false, fmt.Errorf("this user may not look into %s; run this as the server's user, to whom that directory has to belong, or use --server", cfg.Data)
	case errors.Is(err, syscall.EACCES):
		return false, fmt.Errorf("a server runs on %s, but this user may not use its socket; run this as the server's user, or use --server", cfg.Data)
	}
	return false, nil
}

// settingsOf are the settings of a verb that takes them all.
type settingsOf struct {
	Settings kong.Plugins `embed:""`
}
