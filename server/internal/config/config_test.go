package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-auth/writ/server/internal/config"
)

// machine is a file system of a machine with 8 GiB, and the files given.
func machine(files map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		if name == "/proc/meminfo" {
			return []byte("MemTotal:        8388608 kB\nMemFree:  1 kB\n"), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
}

func load(flags map[string]string, environ []string, yaml string) (*config.Config, error) {
	files := map[string]string{}
	if yaml != "" {
		files["writ.yaml"] = yaml
	}
	return config.Load(config.Source{Flags: flags, Environ: environ, ReadFile: machine(files)})
}

func mustLoad(t *testing.T, flags map[string]string, environ []string, yaml string) *config.Config {
	t.Helper()
	c, err := load(flags, environ, yaml)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t, nil, nil, "")
	want := map[string]string{
		"listen": "127.0.0.1:8080", "issuer": "http://localhost:8080", "data": "./writ-data",
		"redis": "", "admin-listen": "127.0.0.1:9090", "admin-hosts": "",
		"master-key-file": "writ-data/master.key", "access-ttl": "15m", "refresh-ttl": "168h", "session-ttl": "720h",
		"refresh-grace": "30s", "refresh-late": "recover", "trusted-proxies": "", "outbound-allow": "", "algorithm": "ES256",
		"key-rotation": "720h", "key-announce": "24h", "jwks-max-age": "10m", "signup": "on",
		"tls-cert": "", "tls-key": "", "hash-memory": "1GiB", "cookie-domain": "", "cookie-refresh-path": "",
		"brand-name": "Writ", "brand-logo": "", "brand-color": "",
		"audit-retention": "8760h",
		"pprof":           "off", "log-level": "info", "log-format": "text", "config": "",
		"database": "[redacted]",
	}
	got := map[string]string{}
	for _, s := range config.Settings() {
		got[s.Name] = s.Text(c)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if c.Database != "sqlite:writ-data/writ.db" || c.SQLitePath() != "writ-data/writ.db" || !c.Signup {
		t.Errorf("database %q, path %q, sign-up %v", c.Database, c.SQLitePath(), c.Signup)
	}
}

func TestPrecedence(t *testing.T) {
	yaml := "access-ttl: 1m\nrefresh-ttl: 2m\nsession-ttl: 3m\n"
	env := []string{"PATH=/bin", "WRIT_REFRESH_TTL=4m", "WRIT_SESSION_TTL=5m"}
	c := mustLoad(t, map[string]string{"session-ttl": "6m"}, env, yaml)
	if c.AccessTTL != time.Minute || c.RefreshTTL != 4*time.Minute || c.SessionTTL != 6*time.Minute {
		t.Errorf("access %s from the file, refresh %s from the environment, session %s from the flag", c.AccessTTL, c.RefreshTTL, c.SessionTTL)
	}
	for setting, want := range map[string]string{
		"access-ttl": "writ.yaml line 1, access-ttl", "refresh-ttl": "WRIT_REFRESH_TTL",
		"session-ttl": "--session-ttl", "listen": "default of --listen",
	} {
		if got := c.Origin(setting); got != want {
			t.Errorf("Origin(%s) = %q, want %q", setting, got, want)
		}
	}
}

// TestEmpty: an empty variable is how a service file leaves a setting out.
func TestEmpty(t *testing.T) {
	key := strings.Repeat("A", 43)
	c := mustLoad(t, nil, []string{"WRIT_DATABASE=", "WRIT_MASTER_KEY_FILE=", "WRIT_MASTER_KEY=" + key}, "")
	if c.Database != "sqlite:writ-data/writ.db" || c.Origin("database") != "default of --database" {
		t.Errorf("database %q from %q", c.Database, c.Origin("database"))
	}
}

func TestEverySource(t *testing.T) {
	yaml := `
# lists may be written either way
trusted-proxies: [10.0.0.0/8, 192.0.2.7, "2001:db8::/32"]
admin-hosts:
  - metrics.internal
  - writ
signup: on
pprof: on
log-level: debug
key-rotation: 0
hash-memory: 256MiB
`
	c := mustLoad(t, map[string]string{"issuer": "https://auth.example.com", "cookie-domain": "example.com"}, nil, yaml)
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32")}
	if !reflect.DeepEqual(c.TrustedProxies, proxies) {
		t.Errorf("TrustedProxies = %v, want %v", c.TrustedProxies, proxies)
	}
	if diff := cmp.Diff([]string{"metrics.internal", "writ"}, c.AdminHosts); diff != "" {
		t.Errorf("AdminHosts: %s", diff)
	}
	if !c.Signup || !c.Pprof || c.LogLevel != slog.LevelDebug || c.KeyRotation != 0 || c.HashMemory != 256<<20 {
		t.Errorf("got %+v", c)
	}
}

func TestSignupFollowsIssuer(t *testing.T) {
	https := map[string]string{"issuer": "https://auth.example.com"}
	if mustLoad(t, https, nil, "").Signup {
		t.Error("sign-up is on by default with an https issuer")
	}
	if !mustLoad(t, https, []string{"WRIT_SIGNUP=on"}, "").Signup {
		t.Error("sign-up stays off though it was turned on")
	}
	if mustLoad(t, nil, []string{"WRIT_SIGNUP=off"}, "").Signup {
		t.Error("sign-up stays on though it was turned off")
	}
}

func TestEnvironmentAlone(t *testing.T) {
	key := strings.Repeat("A", 43)
	c := mustLoad(t, nil, []string{"WRIT_MASTER_KEY=" + key, "WRIT_ADMIN_EMAIL=a@example.com", "WRIT_ADMIN_PASSWORD=a=b secret", "WRIT_ADMIN_TOKEN=t"}, "")
	if c.MasterKey.Reveal() != key || c.AdminEmail != "a@example.com" || c.AdminPassword.Reveal() != "a=b secret" {
		t.Errorf("got key %q, e-mail %q, password %q", c.MasterKey.Reveal(), c.AdminEmail, c.AdminPassword.Reveal())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, *c); strings.Contains(text, "secret") || strings.Contains(text, key) {
			t.Errorf("%s of a Config shows a secret", verb)
		}
	}
}

// Each mistake is one line that names the setting, its source and what is right.
func TestMistakes(t *testing.T) {
	flag := func(name, value string) map[string]string { return map[string]string{name: value} }
	env := func(lines ...string) []string { return lines }
	tests := []struct {
		name  string
		flags map[string]string
		env   []string
		yaml  string
		want  []string // parts of the line
	}{
		{"unknown flag", flag("isuer", "x"), nil, "", []string{"--isuer", "no such setting"}},
		{"unknown variable", nil, env("WRIT_ISUER=x"), "", []string{"WRIT_ISUER", "no such variable"}},
		{"lower-case variable", nil, env("WRIT_issuer=x"), "", []string{"WRIT_issuer", "no such variable"}},
		{"unknown key", nil, nil, "listen: :1\nisuer: x\n", []string{"writ.yaml line 2", "isuer"}},
		{"key in another case", nil, nil, "Issuer: x\n", []string{"writ.yaml line 1", `"Issuer"`}},
		{"nested key", nil, nil, "issuer:\n  url: x\n", []string{"line 1", "issuer must be a plain value"}},
		{"duplicate key", nil, nil, "pprof: on\npprof: off\n", []string{"line 2", "pprof is set twice", "line 1"}},
		{"config in the file", nil, nil, "config: other.yaml\n", []string{"line 1", `"config"`}},
		{"no value", nil, nil, "issuer:\n", []string{"issuer has no value"}},
		{"alias", nil, nil, "listen: &a :1\nadmin-listen: *a\n", []string{"line 1", "anchor"}},
		{"two documents", nil, nil, "pprof: on\n---\npprof: off\n", []string{"writ.yaml", "more than one document"}},
		{"a list", nil, nil, "- a\n", []string{"must be a mapping"}},
		{"broken", nil, nil, "issuer: \"x\n", []string{"writ.yaml"}},
		{"missing file", flag("config", "other.yaml"), nil, "", []string{"--config other.yaml", "can't be read"}},
		{"missing file by variable", nil, env("WRIT_CONFIG=other.yaml"), "", []string{"WRIT_CONFIG other.yaml", "can't be read"}},
		{"grace too long", nil, nil, "refresh-grace: 61s\n", []string{"writ.yaml line 1, refresh-grace", `"61s"`, "from 0s to 1m"}},
		{"grace negative", flag("refresh-grace", "-1s"), nil, "", []string{"--refresh-grace", "from 0s to 1m"}},
		{"no unit", nil, env("WRIT_ACCESS_TTL=900"), "", []string{"WRIT_ACCESS_TTL", `"900"`, "15m"}},
		{"fraction of a second", flag("access-ttl", "1500ms"), nil, "", []string{"multiple of 1s"}},
		{"announce too short", flag("key-announce", "10m1s"), nil, "", []string{"--key-announce", "jwks-max-age (10m) plus 2s"}},
		{"rotation before announcement", flag("key-rotation", "1h"), nil, "", []string{"--key-rotation", "key-announce (24h)"}},
		{"algorithm none", flag("algorithm", "none"), nil, "", []string{"--algorithm", "ES256"}},
		{"shared secret as default", flag("algorithm", "HS256"), nil, "", []string{"--algorithm", "ES256"}},
		{"late", flag("refresh-late", "maybe"), nil, "", []string{"recover, refuse"}},
		{"signup", nil, nil, "signup: yes\n", []string{"signup", "on, off"}},
		{"proxies of everybody", flag("trusted-proxies", "0.0.0.0/0"), nil, "", []string{"--trusted-proxies", "everybody"}},
		{"proxies by name", flag("trusted-proxies", "proxy.internal"), nil, "", []string{"10.0.0.0/8"}},
		{"proxies not masked", flag("trusted-proxies", "10.0.0.1/8"), nil, "", []string{"10.0.0.0/8"}},
		{"a key without certificate", flag("tls-key", "k.pem"), nil, "", []string{"--tls-key", "tls-cert"}},
		{"a certificate without key", flag("tls-cert", "c.pem"), nil, "", []string{"--tls-cert", "tls-key"}},
		{"little memory", flag("hash-memory", "18MiB"), nil, "", []string{"at least 19MiB"}},
		{"decimal memory", flag("hash-memory", "64MB"), nil, "", []string{"256MiB"}},
		{"endless memory", flag("hash-memory", "99999999GiB"), nil, "", []string{"hash-memory"}},
		{"listen without port", flag("listen", "localhost"), nil, "", []string{"host:port"}},
		{"listen port", flag("listen", ":65536"), nil, "", []string{"host:port"}},
		{"refresh path", flag("cookie-refresh-path", "v1"), nil, "", []string{"/v1"}},
		{"refresh path with a flag", flag("cookie-refresh-path", "/v1;Domain=x"), nil, "", []string{"/v1"}},
		{"cookie domain over http", flag("cookie-domain", "example.com"), nil, "", []string{"--cookie-domain", "https"}},
		{"foreign cookie domain", map[string]string{"issuer": "https://auth.example.com", "cookie-domain": "ple.com"}, nil, "", []string{"not a parent"}},
		{"cookie domain of everybody", flag("cookie-domain", "com"), nil, "", []string{"example.com"}},
		{"postgres without a master key", nil, env("WRIT_DATABASE=postgres://writ:hunter2@db/writ"), "", []string{"WRIT_DATABASE", "WRIT_MASTER_KEY", "--master-key-file"}},
		{"no name", nil, env("WRIT_BRAND_NAME=" + strings.Repeat("x", 61)), "", []string{"WRIT_BRAND_NAME", "60 characters"}},
		{"a colour's name", flag("brand-color", "purple"), nil, "", []string{"--brand-color", "#7a1f5c"}},
		{"a short audit", flag("audit-retention", "23h"), nil, "", []string{"--audit-retention", "24h"}},
		{"redis", nil, env("WRIT_REDIS=http://:hunter2@cache:6379"), "", []string{"WRIT_REDIS", "redis://host:port"}},
		{"redis without a host", nil, env("WRIT_REDIS=redis://:hunter2@:6379"), "", []string{"WRIT_REDIS", "redis://host:port"}},
		{"redis at no path", flag("redis", "unix://tmp/s"), nil, "", []string{"--redis", "unix:///path"}},
		{"database", nil, env("WRIT_DATABASE=mysql://writ:hunter2@db/writ"), "", []string{"WRIT_DATABASE", "sqlite:"}},
		{"database options", flag("database", "sqlite:a.db?mode=memory"), nil, "", []string{"sqlite:"}},
		{"master key", nil, env("WRIT_MASTER_KEY=hunter2"), "", []string{"WRIT_MASTER_KEY", "43 characters"}},
		{"two master keys", flag("master-key-file", "k"), env("WRIT_MASTER_KEY=" + strings.Repeat("A", 43)), "", []string{"one of them"}},
		{"admin's e-mail", nil, env("WRIT_ADMIN_EMAIL=root"), "", []string{"WRIT_ADMIN_EMAIL"}},
		{"newline", flag("issuer", "https://a\nb"), nil, "", []string{`"https://a\nb"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(tt.flags, tt.env, tt.yaml)
			var e *config.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v (%T), want a *config.Error", err, err)
			}
			line := err.Error()
			for _, part := range tt.want {
				if !strings.Contains(line, part) {
					t.Errorf("%q doesn't say %q", line, part)
				}
			}
			if strings.ContainsAny(line, "\r\n") || strings.Contains(line, "hunter2") {
				t.Errorf("%q has more than one line, or a secret", line)
			}
		})
	}
}

// TestMeant: a slip is answered with what was meant, anything else with where all
// of them are.
func TestMeant(t *testing.T) {
	const all = "; writ serve --help lists them"
	for _, c := range []struct{ env, yaml, want string }{
		{"WRIT_ISUER=x", "", "configuration: WRIT_ISUER: there is no such variable, did you mean WRIT_ISSUER? " + all[2:]},
		{"WRIT_MASTERKEY=x", "", "configuration: WRIT_MASTERKEY: there is no such variable, did you mean WRIT_MASTER_KEY? " + all[2:]},
		{"WRIT_LSITEN=x", "", "configuration: WRIT_LSITEN: there is no such variable, did you mean WRIT_LISTEN? " + all[2:]},
		{"WRIT_access_ttl=x", "", "configuration: WRIT_access_ttl: there is no such variable, did you mean WRIT_ACCESS_TTL? " + all[2:]},
		{"WRIT_FOO=x", "", "configuration: WRIT_FOO: there is no such variable" + all},
		{"", "acess-ttl: 5m", `configuration: writ.yaml line 1: there is no setting "acess-ttl", did you mean access-ttl? ` + all[2:]},
		{"", "access_ttl: 5m", `configuration: writ.yaml line 1: there is no setting "access_ttl", did you mean access-ttl? ` + all[2:]},
		{"", "TLS-Cert: c", `configuration: writ.yaml line 1: there is no setting "TLS-Cert", did you mean tls-cert? ` + all[2:]},
		{"", "port: 80", `configuration: writ.yaml line 1: there is no setting "port"` + all},
		{"", "confg: x", `configuration: writ.yaml line 1: there is no setting "confg"` + all}, // config is no key of the file
		{"", strings.Repeat("x", 300) + ": x", `configuration: writ.yaml line 1: there is no setting "` + strings.Repeat("x", 300) + `"` + all},
	} {
		_, err := load(nil, []string{c.env}, c.yaml)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s%s: %v, want %s", c.env, c.yaml, err, c.want)
		}
	}
}

func TestIssuer(t *testing.T) {
	good := []string{
		"https://auth.example.com", "https://auth.example.com:8443", "https://xn--bcher-kva.example", "https://192.0.2.1",
		"https://[2001:db8::1]", "http://localhost", "http://localhost:8080", "http://127.0.0.1:1", "http://127.1.2.3", "http://[::1]:8080",
	}
	bad := []string{
		"", "auth.example.com", "//auth.example.com", "ftp://auth.example.com", "HTTPS://auth.example.com", "https://",
		"https://auth.example.com/", "https://auth.example.com/path", "https://auth.example.com?", "https://auth.example.com?a=b",
		"https://auth.example.com#", "https://auth.example.com#f", "https://user@auth.example.com", "https://@auth.example.com",
		"https://Auth.example.com", "https://bücher.example", "https://auth.example.com:", "https://auth.example.com:443",
		"https://auth.example.com:0443", "https://auth.example.com:0", "https://auth.example.com:65536", "http://localhost:80",
		"http://auth.example.com", "http://localhost.example.com", "http://192.168.0.1", "http://127.0.0.1.example.com",
		"https://[2001:DB8::1]", "https://[2001:db8:0::1]", "https://[fe80::1%25eth0]", "https://auth..example.com", " https://auth.example.com",
		"https://auth.example.com\n", "https:auth.example.com", "http://[::ffff:127.0.0.1]x",
	}
	for _, text := range good {
		if _, err := load(map[string]string{"issuer": text}, nil, ""); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range bad {
		if _, err := load(map[string]string{"issuer": text}, nil, ""); err == nil {
			t.Errorf("%q is taken for an issuer", text)
		}
	}
}

func TestMemoryOfMachine(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"machine", nil, 1 << 30},
		{"container", map[string]string{"/sys/fs/cgroup/memory.max": "1073741824\n"}, 128 << 20},
		{"no limit", map[string]string{"/sys/fs/cgroup/memory.max": "max\n"}, 1 << 30},
		{"older container", map[string]string{"/sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912"}, 64 << 20},
		{"tiny", map[string]string{"/sys/fs/cgroup/memory.max": "67108864"}, 19 << 20},
		{"unreadable", map[string]string{"/proc/meminfo": "nonsense"}, 128 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(config.Source{ReadFile: machine(tt.files)})
			if err != nil || c.HashMemory != tt.want {
				t.Errorf("HashMemory = %d, %v; want %d", c.HashMemory, err, tt.want)
			}
		})
	}
}

// What a Config prints, read again, is the same Config.
func TestTextRoundTrip(t *testing.T) {
	given := map[string]string{
		"issuer": "https://auth.example.com", "trusted-proxies": "10.0.0.0/8,192.0.2.7/32", "admin-hosts": "a.internal,b",
		"outbound-allow": "127.0.0.0/8,::1/128",
		"refresh-grace":  "1.5s", "hash-memory": "20480KiB", "pprof": "on", "log-level": "warn", "key-rotation": "0s",
		"cookie-domain": "example.com", "cookie-refresh-path": "/auth/v1", "brand-name": "A \"B\": C", "brand-logo": "l.svg", "brand-color": "#7a1f5c", "session-ttl": "1h30m", "tls-cert": "c", "tls-key": "k",
	}
	first := mustLoad(t, given, nil, "")
	again := map[string]string{}
	for _, s := range config.Settings() {
		if !s.Secret && s.Text(first) != "" {
			again[s.Name] = s.Text(first)
		}
	}
	second := mustLoad(t, again, nil, "")
	for _, s := range config.Settings() {
		if got, want := s.Text(second), s.Text(first); got != want {
			t.Errorf("%s is %q after a round trip, want %q", s.Name, got, want)
		}
	}
}

func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), config.Table()) {
		t.Errorf("docs/configuration.md doesn't hold the table of this version; put this in:\n%s", config.Table())
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{"issuer: https://a.example\n", "a: &b [*b]", "? {a: b}\n: c", "listen: |\n  x\n", "---\n---", "\xff", "trusted-proxies: [[1]]", "<<: {issuer: x}", "!!binary issuer: x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, yaml string) {
		c, err := load(nil, nil, yaml)
		if err != nil {
			var e *config.Error
			if !errors.As(err, &e) || strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("error %q is not one line of a *config.Error", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("Load took what Validate refuses: %v", err)
		}
	})
}
