package app

import "context"

// RunKeys looks after the signing keys as Run does, without a listener.
func (a *App) RunKeys(ctx context.Context) { a.keys.Run(ctx, a.logger) }
