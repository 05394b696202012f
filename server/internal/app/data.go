package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/fsync"
	"github.com/writ-auth/writ/server/internal/keyring"
)

// settingIssuer is the issuer that a database was made for.
const settingIssuer = "issuer"

// makeDataDir makes the data directory, for the server's user alone, durable
// as what will be in it.
func makeDataDir(path string) error {
	if err := fsync.MkdirAll(path, 0o700); err != nil {
		return dataError(path, err)
	}
	probe, err := os.CreateTemp(path, ".probe")
	if err != nil {
		return dataError(path, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func dataError(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	hint := "give another directory with --data"
	switch {
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		err, hint = errors.New("a file is in the way"), "move it away, or "+hint
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		hint = "make it writable for this user, or " + hint
	case errors.Is(err, syscall.ENOSPC):
		hint = "make room on the disk, or " + hint
	}
	return fmt.Errorf("the data directory %s can't be used: %w; %s", path, err, hint)
}

// CheckDataDir reports, as one line, what is wrong with the modes of the data
// directory and the files in it: they hold every secret of the server.
func CheckDataDir(cfg *config.Config) error {
	for _, path := range []string{cfg.Data, cfg.SQLitePath(), cfg.MasterKeyFile} {
		info, err := os.Stat(path)
		if path == "" || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return fmt.Errorf("%s is open to other users (mode %04o); run: chmod go-rwx %s", path, mode, path)
		}
	}
	return nil
}

// masterKey answers the master key: the one given, the file's, or a new one,
// which is made only where nothing is sealed yet. Without its master key a
// database is worth nothing, and a new key would hide that.
func masterKey(ctx context.Context, cfg *config.Config, keys auth.Keys, logger *slog.Logger) ([]byte, error) {
	sealed, err := holdsSealed(ctx, keys)
	if err != nil {
		return nil, err
	}
	if cfg.MasterKey != "" {
		return keyring.ParseMaster(cfg.MasterKey.Reveal())
	}
	key, err := keyring.ReadMaster(cfg.MasterKeyFile)
	if !errors.Is(err, keyring.ErrNoMaster) {
		if err == nil && !sealed && strings.HasPrefix(cfg.Origin("master-key-file"), "default") {
			logger.WarnContext(ctx, "the database is empty, but its master key is not new: if a database was lost or moved, stop and restore it", "data", cfg.Data)
		}
		return key, err
	}
	switch {
	case sealed:
		return nil, fmt.Errorf("the master key %s is missing, and the database holds keys sealed with it; restore that file from its back-up, or name it with --master-key-file", cfg.MasterKeyFile)
	case cfg.Postgres():
		return nil, fmt.Errorf("there is no master key at %s; put 32 random bytes in base64url there (mode 0600), the same on every node", cfg.MasterKeyFile)
	case !strings.HasPrefix(cfg.Origin("master-key-file"), "default"):
		return nil, fmt.Errorf("there is no master key at %s; put 32 random bytes in base64url there (mode 0600), or leave --master-key-file out to have one made", cfg.MasterKeyFile)
	}
	return keyring.WriteMaster(cfg.MasterKeyFile)
}

func holdsSealed(ctx context.Context, keys auth.Keys) (bool, error) {
	rows, err := keys.Keys(ctx)
	for _, row := range rows {
		if len(row.Sealed) > 0 {
			return true, nil
		}
	}
	return false, err
}

// sealedError explains a master key that opens nothing.
func sealedError(cfg *config.Config, err error) error {
	if !errors.Is(err, keyring.ErrSealed) {
		return err
	}
	from := cfg.MasterKeyFile
	if cfg.MasterKey != "" {
		from = "WRIT_MASTER_KEY"
	}
	return fmt.Errorf("the master key in %s is not the one that sealed this database; restore the right one from its back-up: %w", from, err)
}

// checkIssuer stores the issuer with the first start. Every token, session and
// verifier out there names it, so another one must be meant.
func checkIssuer(ctx context.Context, cfg *config.Config, settings auth.Settings) error {
	stored, err := settings.SettingOnce(ctx, settingIssuer, cfg.Issuer)
	if err != nil {
		return err
	}
	return sameIssuer(cfg, stored)
}

func sameIssuer(cfg *config.Config, stored string) error {
	if stored != cfg.Issuer {
		return fmt.Errorf("the issuer is %s, but the database in %s was made for %s, which every token and verifier names; start with --issuer %s, or give another --data for the new issuer",
			cfg.Issuer, cfg.Data, stored, stored)
	}
	return nil
}

// useStoredIssuer makes the database's issuer the setting's, where the settings
// name none: an operator's verb need not repeat it.
func useStoredIssuer(ctx context.Context, cfg *config.Config, settings auth.Settings) error {
	if !strings.HasPrefix(cfg.Origin(settingIssuer), "default") {
		return nil
	}
	stored, err := settings.Setting(ctx, settingIssuer)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	cfg.Issuer = stored
	return err
}
