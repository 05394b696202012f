package store

import (
	"context"
	"errors"

	"github.com/writ-auth/writ/server/internal/auth"
)

// settingLogID names the revocation log; another id means another history.
const settingLogID = "log_id"

const selectSetting = `SELECT value FROM settings WHERE name = $1`

// Setting implements auth.Settings.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	err = s.sql.get(ctx, []any{&value}, selectSetting, name)
	return value, err
}

// SettingOnce implements auth.Settings.
func (s *Store) SettingOnce(ctx context.Context, name, value string) (stored string, err error) {
	if stored, err = s.Setting(ctx, name); !errors.Is(err, auth.ErrNotFound) {
		return stored, err
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		stored, err = t.settingOnce(ctx, name, value)
		return err
	})
	return stored, err
}

func (t *tx) settingOnce(ctx context.Context, name, value string) (stored string, err error) {
	const insert = `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
	if _, err := t.exec(ctx, insert, name, value); err != nil {
		return "", err
	}
	err = t.get(ctx, []any{&stored}, selectSetting, name)
	return stored, err
}
