package config

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// complete fills in the defaults that depend on other settings or the machine.
func (c *Config) complete(readFile func(string) ([]byte, error)) {
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, "writ.db")
	}
	if c.MasterKeyFile == "" {
		c.MasterKeyFile = filepath.Join(c.Data, "master.key")
	}
	if c.signup == "" {
		c.signup = "on"
		if c.HTTPS() {
			c.signup = "off"
		}
	}
	c.Signup = c.signup == "on"
	if c.HashMemory == 0 {
		c.HashMemory = defaultHashMemory(machineMemory(readFile))
	}
}

// HTTPS reports whether the issuer is an https URL: then cookies are Secure,
// and secrets of the first start don't go to the log.
func (c *Config) HTTPS() bool { return strings.HasPrefix(c.Issuer, "https://") }

// SQLitePath is the path of the SQLite file; "" where the database is another.
func (c *Config) SQLitePath() string {
	path, _ := strings.CutPrefix(c.Database, "sqlite:")
	if c.Postgres() {
		return ""
	}
	return path
}

// Postgres reports whether the database is PostgreSQL, which other nodes may
// use too.
func (c *Config) Postgres() bool { return isPostgres(c.Database) }

// Validate checks what a setting alone doesn't show. Load has called it.
func (c *Config) Validate() error {
	for _, check := range []func() error{c.checkKeys, c.checkTLS, c.checkCookies, c.checkMasterKey, c.checkFleet, c.checkAudit, c.checkAdmin} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// wrong is the error of a setting in view of others.
func (c *Config) wrong(setting, format string, args ...any) error {
	where := c.origin[setting]
	if where == "" {
		where = "--" + setting
	}
	return &Error{Where: where, Setting: setting, Problem: fmt.Sprintf(format, args...)}
}

func (c *Config) checkKeys() error {
	if least := c.JWKSMaxAge + 2*time.Second; c.KeyAnnounce < least {
		return c.wrong("key-announce", "%s is less than jwks-max-age (%s) plus 2s; a verifier may not know the key yet when it signs", short(c.KeyAnnounce), short(c.JWKSMaxAge))
	}
	if c.KeyRotation != 0 && c.KeyRotation < c.KeyAnnounce {
		return c.wrong("key-rotation", "%s is less than key-announce (%s); give at least that, or 0", short(c.KeyRotation), short(c.KeyAnnounce))
	}
	return nil
}

func (c *Config) checkTLS() error {
	if c.TLSCert != "" && c.TLSKey == "" {
		return c.wrong("tls-cert", "needs tls-key as well")
	}
	if c.TLSKey != "" && c.TLSCert == "" {
		return c.wrong("tls-key", "needs tls-cert as well")
	}
	return nil
}

func (c *Config) checkCookies() error {
	if c.CookieDomain == "" {
		return nil
	}
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Scheme != "https" {
		return c.wrong("cookie-domain", "needs an https issuer")
	}
	if host := u.Hostname(); host != c.CookieDomain && !strings.HasSuffix(host, "."+c.CookieDomain) {
		return c.wrong("cookie-domain", "%s is not a parent of the issuer's host %s; browsers would drop the cookie", c.CookieDomain, host)
	}
	return nil
}

func (c *Config) checkMasterKey() error {
	if c.MasterKey == "" {
		return nil
	}
	if from := c.origin["master-key-file"]; from != "" && !strings.HasPrefix(from, "default") {
		return c.wrong("master-key-file", "WRIT_MASTER_KEY is set too; give one of them")
	}
	if key, err := base64.RawURLEncoding.Strict().DecodeString(c.MasterKey.Reveal()); err != nil || len(key) != 32 {
		return &Error{Where: "WRIT_MASTER_KEY", Problem: "must be 32 bytes in base64url, 43 characters without padding"}
	}
	return nil
}

// checkFleet wants the master key given where nodes share a database: one that
// a node made for itself would open nothing of the others'.
func (c *Config) checkFleet() error {
	if !c.Postgres() || c.MasterKey != "" || !strings.HasPrefix(c.origin["master-key-file"], "default") {
		return nil
	}
	return c.wrong("database", "PostgreSQL needs the master key given, the same on every node: 32 random bytes in base64url in WRIT_MASTER_KEY, or a file that --master-key-file names")
}

func (c *Config) checkAudit() error {
	if c.AuditRetention != 0 && c.AuditRetention < 24*time.Hour {
		return c.wrong("audit-retention", "%s is less than 24h; give at least that, or 0 for ever", short(c.AuditRetention))
	}
	return nil
}

func (c *Config) checkAdmin() error {
	if c.AdminEmail != "" && !strings.Contains(c.AdminEmail, "@") {
		return &Error{Where: "WRIT_ADMIN_EMAIL", Problem: "must be an e-mail address"}
	}
	return nil
}
