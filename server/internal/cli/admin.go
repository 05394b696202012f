package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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
	if flags.Server != "" {
		return p.remoteClient(flags.Server)
	}
	cfg, err := p.loadConfig(flags.Settings)
	if err != nil {
		return nil, err
	}
	switch running, err := socketRuns(cfg); {
	case err != nil:
		return nil, err
	case running:
		return socketClient(app.SocketPath(cfg)), nil
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
	client, err := networkClient(flags.Server)
	if err != nil {
		return err
	}
	return errors.Join(do(client), client.close())
}

func (p *program) appOptions(h slog.Handler) app.Options {
	return app.Options{Logger: slog.New(h), Now: p.Now}
}

// socketRuns reports whether a server answers at the data directory's socket.
func socketRuns(cfg *config.Config) (bool, error) {
	path := app.SocketPath(cfg)
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		return true, conn.Close()
	case errors.Is(err, syscall.EACCES):
		return false, fmt.Errorf("a server runs on %s, but this user may not use its socket; run this as the server's user, or use --server", cfg.Data)
	}
	return false, nil
}

// settingsOf are the settings of a verb that takes them all.
type settingsOf struct {
	Settings kong.Plugins `embed:""`
}
