package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/edge"
)

type serveCmd struct{ settingsOf }

// Help adds the variables that have no flag to the help.
func (serveCmd) Help() string {
	var b strings.Builder
	b.WriteString("From the environment alone:\n\n")
	for _, e := range config.EnvOnly() {
		fmt.Fprintf(&b, "  $%s: %s\n", e[0], strings.ReplaceAll(e[1], "`", ""))
	}
	return b.String()
}

// Run opens the ports before anything else, so that a second server on one
// machine touches nothing, and serves until ctx ends.
func (c serveCmd) Run(ctx context.Context, p *program) error {
	cfg, err := p.loadConfig(c.Settings)
	if err != nil {
		return err
	}
	listeners, err := app.Listen(cfg)
	if err != nil {
		return err
	}
	lines := edge.NewLines(p.Stderr, urgent(cfg)...)
	defer lines.Close() // after everything that logs
	opts := p.appOptions(logHandler(lines, cfg))
	opts.Beside = p.hashChild()
	a, err := app.New(ctx, cfg, opts)
	if err != nil {
		return errors.Join(err, listeners.Close())
	}
	if elsewhere(cfg.Issuer, listeners.Public.Addr()) {
		opts.Logger.WarnContext(ctx, "the issuer is another port of this machine: whoever follows it does not reach this server; --issuer and --listen should have one port, unless a proxy is between them",
			"issuer", cfg.Issuer, "listen", listeners.Public.Addr().String())
	}
	if err := p.welcome(cfg, listeners, a.FirstAdmin()); err != nil {
		return errors.Join(err, listeners.Close(), a.Close())
	}
	p.calm()
	if cfg.Pprof {
		runtime.MemProfileRate = 512 << 10 // the runtime's own, which main takes away
	}
	return errors.Join(a.Run(ctx, listeners), a.Close())
}

// calm makes the garbage collector wait until the heap has grown fivefold: a
// server has little that lives and makes much that does not, and would else
// collect a hundred times a second. What the start left behind is given back
// first. GOGC in the environment has the last word.
func (p *program) calm() {
	if p.getenv("GOGC") == "" {
		debug.FreeOSMemory()
		debug.SetGCPercent(400)
	}
}

// urgent is what a line of the log has that must not wait for others.
func urgent(cfg *config.Config) []string {
	if cfg.LogFormat == "json" {
		return []string{`"level":"WARN"`, `"level":"ERROR"`}
	}
	return []string{"level=WARN", "level=ERROR"}
}

// elsewhere reports whether the issuer is a port of this machine that isn't the
// server's own, as when a second server is given a port and no issuer.
func elsewhere(issuer string, listen net.Addr) bool {
	u, err := url.Parse(issuer)
	if err != nil || !loopback(u.Hostname()) {
		return false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	_, own, err := net.SplitHostPort(listen.String())
	return err == nil && own != port
}

func logHandler(w io.Writer, cfg *config.Config) slog.Handler {
	return edge.NewLog(w, cfg.LogFormat == "json", cfg.LogLevel)
}

// started is what serve says with --json.
type started struct {
	Issuer       string `json:"issuer"`
	Listen       string `json:"listen"`
	AdminListen  string `json:"admin_listen"`
	Data         string `json:"data"`
	AdminEmail   string `json:"admin_email,omitempty"`
	Password     string `json:"admin_password,omitempty"` // once, and with a loopback issuer only
	PasswordFile string `json:"admin_password_file,omitempty"`
}

// welcome says where the server is and how to sign in. A generated password is
// shown here and never again.
func (p *program) welcome(cfg *config.Config, l *app.Listeners, first *app.FirstAdmin) error {
	s := started{Issuer: cfg.Issuer, Listen: l.Public.Addr().String(), AdminListen: l.Admin.Addr().String(), Data: cfg.Data}
	if first != nil {
		s.AdminEmail, s.Password, s.PasswordFile = first.Email, first.Password, first.File
	}
	return p.show(s, func(w io.Writer) error {
		_, err := io.WriteString(w, s.text())
		return err
	})
}

func (s started) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Writ is running at %s\n\n", s.Issuer)
	_ = columns(&b, [][2]string{
		{"  listening at", s.Listen},
		{"  key set", s.Issuer + "/.well-known/jwks.json"},
		{"  discovery", s.Issuer + "/.well-known/openid-configuration"},
		{"  HTTP API", s.Issuer + "/openapi.json"},
		{"  in a browser", s.Issuer + "/account"},
		{"  sign in", "POST " + s.Issuer + "/v1/login"},
		{"  metrics, health", "http://" + s.AdminListen + "/metrics, /healthz, /readyz"},
		{"  data", s.Data},
	})
	s.administrator(&b)
	fmt.Fprintf(&b, "\nSign in with:\n\n  curl -sS %s/v1/login -H 'Content-Type: application/json' -d '%s'\n\n", s.Issuer, s.credentials())
	return b.String()
}

func (s started) administrator(b *strings.Builder) {
	switch {
	case s.Password != "":
		fmt.Fprintf(b, "\nThe first administrator, whose password is shown this once:\n\n  e-mail    %s\n  password  %s\n", s.AdminEmail, s.Password)
	case s.PasswordFile != "":
		fmt.Fprintf(b, "\nThe first administrator is %s; the password is in %s,\nmust be changed at the first sign-in, and the file should be removed then.\n", s.AdminEmail, s.PasswordFile)
	case s.AdminEmail != "":
		fmt.Fprintf(b, "\nThe first administrator is %s, with the password from WRIT_ADMIN_PASSWORD.\n", s.AdminEmail)
	}
}

// credentials is the body of the sign-in, with what is known filled in.
func (s started) credentials() string {
	body := struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}{"you@example.com", "…"}
	if s.AdminEmail != "" {
		body.Email = s.AdminEmail
	}
	if s.Password != "" {
		body.Password = s.Password
	}
	text, err := json.Marshal(body)
	if err != nil {
		return "{}"
	}
	return strings.ReplaceAll(string(text), "'", `'\''`)
}
