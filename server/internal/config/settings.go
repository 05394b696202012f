package config

import (
	"strings"
	"time"
)

// Setting is a row of the table: all there is to know about one setting.
type Setting struct {
	Name    string // of the flag, without dashes, and of the key in the file
	Env     string // WRIT_…
	Default string // as text, "" for none or for one that depends (see Note)
	Note    string // what the documentation says in place of Default
	Help    string // one line
	Secret  bool   // the value may hold a password: it is never printed

	optional bool // an empty text means none
	parse    func(c *Config, text string) error
	print    func(c *Config) string
}

// Text is the setting's value in c, as it could be written in the file; for a
// secret only whether there is one.
func (s Setting) Text(c *Config) string {
	text := s.print(c)
	if s.Secret && text != "" {
		return redacted
	}
	return text
}

// Origin is where the value of the setting came from: a flag, a variable, a
// line of the file or the default.
func (c *Config) Origin(setting string) string { return c.origin[setting] }

const year = 365 * 24 * time.Hour

// Settings is the table, in the order of the documentation.
func Settings() []Setting {
	return []Setting{
		setting("listen", "127.0.0.1:8080", "address of the public listener",
			text(func(c *Config) *string { return &c.Listen }, hostPort)),
		setting("issuer", "http://localhost:8080", "the `iss` of every token: https, or http on loopback only; no path and no trailing slash",
			text(func(c *Config) *string { return &c.Issuer }, issuer)),
		setting("data", "./writ-data", "directory for SQLite and the generated master key (0700, files 0600)",
			text(func(c *Config) *string { return &c.Data }, path)),
		setting("database", "", "`sqlite:` and a path, or `postgres://user@host/database`, which any number of nodes may share",
			text(func(c *Config) *string { return &c.Database }, database)).note("`sqlite:<data>/writ.db`").secret(),
		setting("redis", "", "`redis://host:port`, `rediss://…` or `unix:///path` of a Redis or Valkey server in which nodes count failed attempts and sign-ups together (while it is gone, and without one, each counts for itself) and keep a copy of the revocation log for other verifiers",
			text(func(c *Config) *string { return &c.Redis }, redis)).none().secret(),
		setting("admin-listen", "127.0.0.1:9090", "address of `/metrics`, `/healthz` and `/readyz`; never the public listener",
			text(func(c *Config) *string { return &c.AdminListen }, hostPort)),
		setting("admin-hosts", "", "host names the admin listener answers to besides IP addresses and `localhost`; a list",
			list(func(c *Config) *[]string { return &c.AdminHosts }, hostName, identity)).none(),
		setting("master-key-file", "", "file with 32 bytes in base64url that seal private keys and secrets at rest",
			text(func(c *Config) *string { return &c.MasterKeyFile }, path)).note("`<data>/master.key`"),
		setting("access-ttl", "15m", "lifetime of an access token; from 1s to 24h",
			duration(func(c *Config) *time.Duration { return &c.AccessTTL }, time.Second, 24*time.Hour, time.Second)),
		setting("refresh-ttl", "168h", "idle lifetime of a session (its refresh token), at most 8760h; lists show a session that nobody used for up to a 64th longer; 0 refreshes nothing: people sign in again when the access token ends",
			duration(func(c *Config) *time.Duration { return &c.RefreshTTL }, 0, year, time.Second)),
		setting("session-ttl", "720h", "absolute lifetime of a session; from 1s to 8760h",
			duration(func(c *Config) *time.Duration { return &c.SessionTTL }, time.Second, year, time.Second)),
		setting("refresh-grace", "30s", "how long a just-used refresh token repeats its successor; from 0s to 60s",
			duration(func(c *Config) *time.Duration { return &c.RefreshGrace }, 0, time.Minute, time.Millisecond)),
		setting("refresh-late", "recover", "a just-used refresh token after the grace: `recover` or `refuse` (ends the grant)",
			choice(func(c *Config) *RefreshLate { return &c.RefreshLate }, Recover, Refuse)),
		setting("trusted-proxies", "", "addresses and networks whose `X-Forwarded-For` is believed; a list",
			list(func(c *Config) *prefixes { return (*prefixes)(&c.TrustedProxies) }, prefix, printPrefix)).none(),
		setting("outbound-allow", "", "addresses and networks that aren't public and that the server may call all the same for others (`jwks_uri`, back-channel log-out), such as `10.1.0.0/16`; with loopback, plain http there; a list and a relaxation",
			list(func(c *Config) *prefixes { return (*prefixes)(&c.OutboundAllow) }, network, printPrefix)).none(),
		setting("algorithm", "ES256", "default signing algorithm: "+strings.Join(algorithms(), ", "),
			choice(func(c *Config) *string { return &c.Algorithm }, algorithms()...)),
		setting("key-rotation", "720h", "period of a signing key, at least key-announce; 0 turns rotation off",
			duration(func(c *Config) *time.Duration { return &c.KeyRotation }, 0, year, time.Second)),
		setting("key-announce", "24h", "how long a key is published before it signs; at least jwks-max-age plus 2s (an algorithm's first key signs at once)",
			duration(func(c *Config) *time.Duration { return &c.KeyAnnounce }, 2*time.Second, year, time.Second)),
		setting("jwks-max-age", "10m", "`Cache-Control: max-age` of the key set; from 0s to 24h",
			duration(func(c *Config) *time.Duration { return &c.JWKSMaxAge }, 0, 24*time.Hour, time.Second)),
		setting("signup", "", "whether strangers may make accounts: `on` or `off`",
			choice(func(c *Config) *string { return &c.signup }, "on", "off")).note("`off` with an https issuer, else `on`"),
		setting("tls-cert", "", "file with the certificate chain, in PEM; without it a proxy terminates TLS",
			text(func(c *Config) *string { return &c.TLSCert }, path)).none(),
		setting("tls-key", "", "file with the certificate's private key, in PEM",
			text(func(c *Config) *string { return &c.TLSKey }, path)).none(),
		setting("hash-memory", "", "memory budget of password hashing, such as `512MiB`; at least 19MiB",
			size(func(c *Config) *int64 { return &c.HashMemory }, minHashMemory)).note("an eighth of the machine's"),
		setting("cookie-domain", "", "parent domain of the issuer's host to which the access cookie travels too; a relaxation",
			text(func(c *Config) *string { return &c.CookieDomain }, domain)).none(),
		setting("cookie-refresh-path", "", "path that scopes the refresh cookie, such as `/v1`, where Writ shares its host with an application",
			text(func(c *Config) *string { return &c.CookieRefreshPath }, cookiePath)).none(),
		setting("brand-name", "Writ", "what the pages of signing in and of the account call this place; at most 60 characters",
			text(func(c *Config) *string { return &c.BrandName }, brandName)),
		setting("brand-logo", "", "file with a logo for these pages, served by Writ itself: PNG, JPEG, GIF, WebP or SVG, at most 256 KiB",
			text(func(c *Config) *string { return &c.BrandLogo }, path)).none(),
		setting("brand-color", "", "colour of their buttons and links, such as `#7a1f5c`: dark enough to be read on white, 4.5 to 1 (on a dark ground a lighter shade is used)",
			text(func(c *Config) *string { return &c.BrandColor }, brandColor)).none(),
		setting("audit-retention", "8760h", "how long the audit is kept, at least 24h; 0 keeps it for ever",
			duration(func(c *Config) *time.Duration { return &c.AuditRetention }, 0, 100*year, time.Second)),
		setting("pprof", "off", "profiles on the admin listener: `on` or `off`",
			toggle(func(c *Config) *bool { return &c.Pprof })),
		setting("log-level", "info", "`debug`, `info`, `warn` or `error`", logLevel()),
		setting("log-format", "text", "`text` or `json`",
			choice(func(c *Config) *string { return &c.LogFormat }, "text", "json")),
		setting("config", "", "the file of settings",
			text(func(c *Config) *string { return &c.File }, path)).note("`writ.yaml` if there"),
	}
}

func algorithms() []string {
	return []string{"ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
}

// codec reads a text into a Config and prints it from there.
type codec struct {
	parse func(c *Config, text string) error
	print func(c *Config) string
}

func setting(name, def, help string, c codec) Setting {
	return Setting{
		Name: name, Env: "WRIT_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")),
		Default: def, Help: help, parse: c.parse, print: c.print,
	}
}

// note says that the default depends on something else.
func (s Setting) note(text string) Setting {
	s.Note, s.optional = text, true
	return s
}

// none says that without a value the setting is off.
func (s Setting) none() Setting { return s.note("none") }

func (s Setting) secret() Setting {
	s.Secret = true
	return s
}
