package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
)

type doctorCmd struct{ settingsOf }

// check is the outcome of one check.
type check struct {
	Name   string `json:"check"`
	Status string `json:"status"` // ok, warn or fail
	Detail string `json:"detail"` // what was found, or what is wrong and what to do
}

// clockTolerance is how far the clocks of server and verifiers may be apart
// before tokens are refused here and there (the guard's default leeway).
const clockTolerance = 30 * time.Second

func passed(name, format string, args ...any) check {
	return check{name, "ok", fmt.Sprintf(format, args...)}
}

func failedCheck(name string, err error) check { return check{name, "fail", err.Error()} }

// Run makes the checks and fails if one does.
func (c doctorCmd) Run(ctx context.Context, p *program) error {
	checks := p.examine(ctx, c.settingsOf)
	failures := 0
	rows := make([][]string, len(checks))
	for i, c := range checks {
		rows[i] = []string{c.Status, c.Name, c.Detail}
		if c.Status == "fail" {
			failures++
		}
	}
	err := p.show(map[string]any{"checks": checks, "failures": failures}, func(w io.Writer) error {
		return table(w, []string{"STATUS", "CHECK", "DETAIL"}, rows)
	})
	if err == nil && failures > 0 {
		err = fmt.Errorf("%d of %d checks failed; each line above says what to do", failures, len(checks))
	}
	return err
}

// examine stops at the first check without which the others mean nothing.
func (p *program) examine(ctx context.Context, settings settingsOf) []check {
	cfg, err := p.loadConfig(settings.Settings)
	if err != nil {
		return []check{failedCheck("configuration", err)}
	}
	source := "defaults, environment and flags"
	if cfg.File != "" {
		source = cfg.File + ", " + source
	}
	checks := []check{passed("configuration", "valid (%s)", source)}
	running, err := socketRuns(cfg)
	switch {
	case err != nil:
		return append(checks, failedCheck("server", err))
	case running:
		return append(append(checks, p.examineFiles(cfg)), p.examineRunning(ctx, cfg)...)
	}
	for _, f := range app.Inspect(ctx, cfg, p.appOptions(slog.DiscardHandler)) {
		checks = append(checks, asCheck(f))
	}
	return append(checks, check{"server", "warn", "no server runs on " + cfg.Data + ", so its addresses were not checked; start it with writ serve"})
}

func asCheck(f app.Finding) check {
	switch {
	case f.Err == nil:
		return passed(f.Check, "%s", f.Detail)
	case f.Warn:
		return check{f.Check, "warn", f.Err.Error()}
	}
	return failedCheck(f.Check, f.Err)
}

func (p *program) examineFiles(cfg *config.Config) check {
	if err := app.CheckDataDir(cfg); err != nil {
		return check{"files", "warn", err.Error()}
	}
	return passed("files", "%s is for its owner alone", cfg.Data)
}

// examineRunning asks the running server, which knows what it was started with,
// whether it can do its work, and then looks at it from outside.
func (p *program) examineRunning(ctx context.Context, cfg *config.Config) []check {
	server := socketClient(app.SocketPath(cfg))
	defer func() { _ = server.close() }() // its idle connections
	about, err := askAbout(ctx, server, cfg)
	if err == nil {
		err = asSet(cfg, about)
	}
	if err != nil {
		return []check{failedCheck("server", err)}
	}
	var health app.Health
	err = server.call(ctx, http.MethodGet, app.HealthPath, nil, &health)
	if err == nil && health.Problem != "" {
		err = fmt.Errorf("runs, but can't work with %s: %s", about.Database, health.Problem)
	}
	if err != nil {
		return append([]check{failedCheck("server", err)}, p.examineOutside(ctx, server, about.Issuer, false)...)
	}
	checks := []check{passed("server", "runs, and can write to %s", about.Database)}
	if f := app.InspectRunning(ctx, cfg, about.Database); f != nil {
		checks = append(checks, asCheck(*f))
	}
	return append(checks, p.examineOutside(ctx, server, about.Issuer, true)...)
}

// asSet reports whether a server runs with the settings that were found,
// wherever: one that was started before the file was changed doesn't.
func asSet(cfg *config.Config, about app.About) error {
	database, issuer := cfg.Origin("database"), cfg.Origin("issuer")
	if named := app.DatabaseName(cfg); !strings.HasPrefix(database, "default") && !app.SameDatabase(about.Database, named) {
		return outdatedServer(cfg, "uses "+about.Database, named, database)
	}
	if !strings.HasPrefix(issuer, "default") && about.Issuer != cfg.Issuer {
		return outdatedServer(cfg, "has the issuer "+about.Issuer, cfg.Issuer, issuer)
	}
	return nil
}

func outdatedServer(cfg *config.Config, is, named, by string) error {
	return fmt.Errorf("the server that runs on %s %s, not %s (%s); start it again with that, or name another --data", cfg.Data, is, named, by)
}

// examineOutside asks the server as a verifier would, through the issuer's
// public address, and compares that with what it says itself, if it is able to.
func (p *program) examineOutside(ctx context.Context, server *adminClient, issuer string, able bool) (checks []check) {
	client := &http.Client{Timeout: 10 * time.Second}
	var document struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	date, err := getJSON(ctx, client, issuer+"/.well-known/openid-configuration", func(data []byte) error {
		return json.Unmarshal(data, &document)
	})
	switch {
	case err != nil:
		return append(checks, failedCheck("issuer", fmt.Errorf("%w; verifiers start there, so check its name, proxy and certificate", err)))
	case document.Issuer != issuer:
		return append(checks, failedCheck("issuer", fmt.Errorf("%s answers as the issuer %q; another server is in its place", issuer, document.Issuer)))
	}
	checks = append(checks, passed("issuer", "%s answers", issuer), clockCheck(date, p.Now()))
	if !able {
		return checks
	}
	own, err := ownKeys(ctx, server)
	if err != nil {
		return append(checks, failedCheck("key set", err))
	}
	return append(checks, keySetCheck(ctx, client, document.JWKS, own))
}

func clockCheck(server, here time.Time) check {
	difference := here.Sub(server).Abs()
	switch {
	case server.IsZero():
		return check{"clock", "warn", "the answer has no date to compare with"}
	case difference > clockTolerance:
		return failedCheck("clock", fmt.Errorf("the issuer's clock and this machine's are %s apart; synchronise both (NTP)", span(difference)))
	}
	return passed("clock", "within %s of the issuer's", span(clockTolerance))
}

// ownKey is what the check needs of a key in the server's database.
type ownKey struct {
	KeyID string `json:"kid"`
	State string `json:"state"`
}

// ownKeys asks the server itself for the keys in its database.
func ownKeys(ctx context.Context, server *adminClient) ([]ownKey, error) {
	var page struct {
		Items []ownKey `json:"items"`
	}
	err := server.call(ctx, http.MethodGet, adminPath+"keys", nil, &page)
	return page.Items, err
}

func keySetCheck(ctx context.Context, client *http.Client, address string, own []ownKey) check {
	var set *jwk.Set
	_, err := getJSON(ctx, client, address, func(data []byte) (err error) {
		set, err = jwk.ParseSet(data)
		return err
	})
	switch {
	case err != nil:
		return failedCheck("key set", err)
	case set.Len() == 0:
		return failedCheck("key set", fmt.Errorf("%s has no keys, so nobody can verify a token; look at the server's log", address))
	}
	if !sameServer(set, own) {
		return check{"key set", "warn", address + " has other keys than this server's database: another server answers there, or an old copy; look at --issuer, --listen and the proxy"}
	}
	return passed("key set", "%d published", set.Len())
}

// sameServer reports whether a published set has every key that signs, and
// none that isn't the server's.
func sameServer(set *jwk.Set, own []ownKey) bool {
	published := map[string]bool{}
	for key := range set.All() {
		published[key.KeyID()] = true
	}
	for _, key := range own {
		if key.State == "signing" && !published[key.KeyID] {
			return false
		}
		delete(published, key.KeyID)
	}
	return len(published) == 0
}

// getJSON reads a document and the server's time.
func getJSON(ctx context.Context, client *http.Client, address string, parse func([]byte) error) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return time.Time{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return time.Time{}, errors.New(strings.TrimPrefix(err.Error(), "Get "))
	}
	defer res.Body.Close()
	data, err := readCapped(res.Body, address)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", address, res.Status)
	}
	if err == nil {
		err = parse(data)
	}
	date, _ := http.ParseTime(res.Header.Get("Date"))
	return date, err
}
