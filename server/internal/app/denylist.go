package app

import (
	"context"

	"github.com/writ-auth/writ/server/internal/denylist"
	"github.com/writ-auth/writ/server/internal/limit"
)

// keepDenylist keeps a copy of the revocation log in Redis, where there is one,
// until ctx ends.
func (a *App) keepDenylist(ctx context.Context) {
	if a.cfg.Redis == "" {
		return
	}
	denylist.New(denylist.Options{
		Issuer: a.cfg.Issuer, Log: a.log, Logger: a.logger,
		Dial: func(ctx context.Context) (denylist.Conn, error) { return limit.Dial(ctx, a.cfg.Redis) },
	}).Run(ctx)
}
