package credential

import "context"

// Run occupies a place of the pool while work runs.
func (h *Hasher) Run(ctx context.Context, bytes int64, work func()) error {
	return h.run(ctx, bytes, work)
}
