package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/config"
)

// FirstAdmin is the administrator that the first start made.
type FirstAdmin struct {
	Email    string
	Password string // the generated one, to be shown once; "" if it was given or is in File
	File     string // where the generated password is, with an https issuer
}

// defaultAdmin is the first administrator's e-mail if none is given.
const defaultAdmin = "admin@localhost"

// passwordFile holds the first administrator's password with an https issuer:
// a log is read by more people, and kept for longer, than a password should be.
func passwordFile(cfg *config.Config) string { return filepath.Join(cfg.Data, "admin-password") }

// admins makes the first administrator.
type admins interface {
	EnsureAdmin(ctx context.Context, email, password string, mustChange bool) (created bool, err error)
}

// ensureAdmin makes the reserved role and, where there is no user, the first
// administrator; nil if there was one.
func ensureAdmin(ctx context.Context, cfg *config.Config, users auth.Users, to admins) (*FirstAdmin, error) {
	some, _, err := users.Users(ctx, auth.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	first := &FirstAdmin{Email: cfg.AdminEmail}
	if first.Email == "" {
		first.Email = defaultAdmin
	}
	password := cfg.AdminPassword.Reveal()
	generated := password == ""
	if generated {
		password = generatePassword()
		first.Password = password
	}
	if generated && cfg.HTTPS() && len(some) == 0 {
		first.Password, first.File = "", passwordFile(cfg)
		if err := writePassword(first.File, password); err != nil {
			return nil, err
		}
	}
	created, err := to.EnsureAdmin(ctx, first.Email, password, generated && cfg.HTTPS())
	if err == nil && created {
		return first, nil
	}
	if first.File != "" {
		err = errors.Join(err, os.Remove(first.File))
	}
	var shown *auth.Error
	if errors.As(err, &shown) {
		return nil, fmt.Errorf("the first administrator can't be made: %s; change WRIT_ADMIN_EMAIL or WRIT_ADMIN_PASSWORD", shown.Message)
	}
	return nil, err
}

// writePassword replaces what an interrupted first start may have left.
func writePassword(path, password string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, password)
	return errors.Join(err, f.Sync(), f.Close())
}

// generatePassword is 130 random bits that a person can type.
func generatePassword() string { return rand.Text() }
