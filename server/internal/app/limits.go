package app

import (
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/writ-auth/writ/server/internal/limit"
)

// openLimits makes what slows down guessers: together with the other nodes where
// there is a Redis. Names there are MACs under the master key, which all nodes
// have, so that who reads Redis can't try whom it counts.
func (a *App) openLimits(master []byte) error {
	if a.cfg.Redis != "" {
		key, err := hkdf.Key(sha256.New, master, nil, "writ limits v1", 32)
		if err != nil {
			return err
		}
		if a.redis, err = limit.OpenRedis(limit.RedisOptions{URL: a.cfg.Redis, Key: key, Logger: a.logger}); err != nil {
			return err
		}
	}
	a.throttle = limit.NewShared(a.now, a.redis, "people")
	return nil
}
