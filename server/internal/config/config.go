// Package config reads the server's settings: from flags, the environment and
// a YAML file, in that order of precedence, over defaults. One table (Settings)
// says everything about each setting, and the flags, the variables, the file's
// keys and docs/configuration.md all come from it.
//
// A mistake stops the start. An unknown key, an unknown WRIT_ variable or a
// value out of range is an [Error] of one line, which names the setting, where
// the value came from and what would be right: a setting that is silently
// ignored is one that an operator believes to be on.
package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config is the settings of one server, checked and with every default filled
// in. [Table] has the meaning of each.
type Config struct {
	File              string // the file that was read, "" if none
	Listen            string
	Issuer            string
	Data              string
	Database          string // "sqlite:<path>", see SQLitePath, or a URL of PostgreSQL
	Redis             string // "" if none
	AdminListen       string
	AdminHosts        []string // the names the admin listener answers to besides IP literals and localhost
	MasterKeyFile     string
	AccessTTL         time.Duration
	RefreshTTL        time.Duration // idle lifetime of a session
	SessionTTL        time.Duration // absolute lifetime of a session
	RefreshGrace      time.Duration
	RefreshLate       RefreshLate
	TrustedProxies    []netip.Prefix
	OutboundAllow     []netip.Prefix // networks that calls to addresses of others may reach besides public ones
	Algorithm         string         // a JOSE name of an asymmetric algorithm
	KeyRotation       time.Duration  // 0: off
	KeyAnnounce       time.Duration
	JWKSMaxAge        time.Duration
	Signup            bool
	TLSCert, TLSKey   string // files; both or neither
	HashMemory        int64  // bytes
	CookieDomain      string
	CookieRefreshPath string
	BrandName         string
	BrandLogo         string        // a file; "" if none
	BrandColor        string        // "#rrggbb"; "" if none
	AuditRetention    time.Duration // 0: for ever
	Pprof             bool
	LogLevel          slog.Level
	LogFormat         string // "text" or "json"

	// From the environment alone, for flags show in a process list and files
	// are copied about.
	AdminEmail    string
	AdminPassword Secret
	MasterKey     Secret // base64url of 32 bytes; "" to use MasterKeyFile

	signup string            // as given: "on", "off" or "auto"
	origin map[string]string // where each setting's value came from
}

// RefreshLate says what happens to a refresh token used before, after the grace.
type RefreshLate string

// The choices of --refresh-late.
const (
	Recover RefreshLate = "recover"
	Refuse  RefreshLate = "refuse"
)

// Source is where settings come from; main passes the process's own.
type Source struct {
	Flags    map[string]string                 // the flags that were given, by name without dashes
	Environ  []string                          // as os.Environ answers; all of it, so that a misspelt WRIT_ variable is found
	ReadFile func(name string) ([]byte, error) // os.ReadFile
}

// Error is a setting that can't be used.
type Error struct {
	Where   string // "--issuer", "WRIT_ISSUER" or "writ.yaml line 3"
	Setting string // its name, "" for a file that can't be read
	Problem string
}

func (e *Error) Error() string {
	return "configuration: " + oneLine(e.Where+": "+e.Problem)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Load reads, completes and checks the settings.
func Load(src Source) (*Config, error) {
	settings := Settings()
	env, err := environment(settings, src.Environ)
	if err != nil {
		return nil, err
	}
	if err := knownFlags(settings, src.Flags); err != nil {
		return nil, err
	}
	c := &Config{origin: make(map[string]string)}
	given, err := c.gather(settings, src, env)
	if err != nil {
		return nil, err
	}
	for i := range settings {
		if err := c.apply(&settings[i], given); err != nil {
			return nil, err
		}
	}
	c.AdminEmail, c.AdminPassword, c.MasterKey = env["WRIT_ADMIN_EMAIL"], Secret(env["WRIT_ADMIN_PASSWORD"]), Secret(env["WRIT_MASTER_KEY"])
	c.complete(src.ReadFile)
	return c, c.Validate()
}

// value is the text of a setting and where it was found.
type value struct{ text, where string }

// gather collects the text of every setting that was given, the strongest
// source last.
func (c *Config) gather(settings []Setting, src Source, env map[string]string) (map[string]value, error) {
	given := make(map[string]value)
	if err := c.readFile(settings, src, env, given); err != nil {
		return nil, err
	}
	for _, s := range settings {
		if text, ok := env[s.Env]; ok {
			given[s.Name] = value{text, s.Env}
		}
		if text, ok := src.Flags[s.Name]; ok {
			given[s.Name] = value{text, "--" + s.Name}
		}
	}
	return given, nil
}

// apply parses a setting's text, or its default, into c.
func (c *Config) apply(s *Setting, given map[string]value) error {
	v, ok := given[s.Name]
	if !ok || v.text == "" && s.optional { // WRIT_REDIS= is how a service file leaves a setting out
		v = value{s.Default, "default of --" + s.Name}
	}
	c.origin[s.Name] = v.where
	if v.text == "" && s.optional {
		return nil
	}
	if err := s.parse(c, v.text); err != nil {
		return &Error{Where: v.where, Setting: s.Name, Problem: s.show(v.text) + " is wrong: " + err.Error()}
	}
	return nil
}

// show is a value as an error may repeat it.
func (s *Setting) show(text string) string {
	if s.Secret {
		return "the value"
	}
	const most = 200
	if len(text) > most {
		text = text[:most]
	}
	return fmt.Sprintf("%q", text)
}

func knownFlags(settings []Setting, flags map[string]string) error {
	for name := range flags {
		if find(settings, name) == nil {
			return &Error{Where: "--" + name, Setting: name, Problem: "there is no such setting"}
		}
	}
	return nil
}

func find(settings []Setting, name string) *Setting {
	for i := range settings {
		if settings[i].Name == name {
			return &settings[i]
		}
	}
	return nil
}

// EnvOnly lists the variables that have no flag and no key, with their meaning.
func EnvOnly() [][2]string {
	return [][2]string{
		{"WRIT_MASTER_KEY", "the master key itself, 32 bytes in base64url, in place of the file"},
		{"WRIT_ADMIN_EMAIL", "e-mail of the first administrator; used at the first start only"},
		{"WRIT_ADMIN_PASSWORD", "their password, generated if not given; used at the first start only"},
		{"WRIT_ADMIN_TOKEN", "an access token with which the command line administers a remote server; `writ serve` doesn't use it"},
	}
}

// environment picks the WRIT_ variables out of environ.
func environment(settings []Setting, environ []string) (map[string]string, error) {
	var known []string
	for _, s := range settings {
		known = append(known, s.Env)
	}
	for _, e := range EnvOnly() {
		known = append(known, e[0])
	}
	env := make(map[string]string)
	for _, line := range environ {
		name, text, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, "WRIT_") {
			continue
		}
		if !slices.Contains(known, name) {
			return nil, &Error{Where: name, Problem: "there is no such variable" + meant(name, known)}
		}
		env[name] = text
	}
	return env, nil
}
