package jwks

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/writ-auth/writ/internal/discovery"
	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/jwk"
)

// What a Config that says nothing gets.
const (
	DefaultMaxAge   = 10 * time.Minute
	DefaultMaxStale = 24 * time.Hour
	DefaultCooldown = 30 * time.Second
	DefaultMaxWait  = 200 * time.Millisecond
)

// Config says where keys are and how long they may be used. Exactly one of URL
// and Issuer is required; the rest has defaults.
type Config struct {
	// URL is the address of the key set: https, or http on loopback.
	URL string
	// Issuer is the address from which discovery starts (OpenID Connect
	// Discovery 1.0 section 4, RFC 8414). The document found there must name
	// exactly this issuer, else its keys are not used.
	Issuer string

	// Parser reads the set; the zero value is what jwk.ParseSet uses.
	Parser jwk.Parser
	// Prepare is called once for each key that the set brings, for example with
	// a function that precomputes tables. It returns the key to use, which has
	// to have the same algorithm and key id. nil leaves keys as they are.
	Prepare func(*jwk.PublicKey) *jwk.PublicKey

	// Client makes the requests; nil stands for http.DefaultTransport. Whatever
	// it is, a request has 10 s, an answer 1 MiB, and redirects stay within the
	// origin. Which addresses may be dialled is its Transport's business.
	Client *http.Client

	// MaxAge is how long a set is fresh when the answer's Cache-Control says
	// nothing. Default 10 min. What the answer says counts from 1 s to MaxStale;
	// one that forbids keeping it is kept for Cooldown.
	MaxAge time.Duration
	// MaxStale is how long the keys of the last good answer stay in use while
	// the issuer can't be reached, counted from that answer. Default 24 h.
	MaxStale time.Duration
	// Cooldown is the least time between two fetches that tokens with an unknown
	// key id cause, whatever their number. Default 30 s.
	Cooldown time.Duration
	// MaxWait is how long FindKey waits for a fetch. Default 200 ms.
	MaxWait time.Duration

	// Logger gets a line when fetching begins to fail and when it works again,
	// and one when a set has keys that are left out; default slog.Default().
	Logger *slog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time
}

func (cfg *Config) validate() error {
	switch {
	case cfg.URL == "" && cfg.Issuer == "":
		return errors.New("jwks: Config has neither URL nor Issuer")
	case cfg.URL != "" && cfg.Issuer != "":
		return errors.New("jwks: Config has both URL and Issuer")
	}
	if cfg.URL != "" {
		if _, err := fetch.ParseURL(cfg.URL); err != nil {
			return fmt.Errorf("jwks: Config.URL: %w", err)
		}
	}
	if cfg.Issuer != "" {
		if err := discovery.CheckIssuer(cfg.Issuer); err != nil {
			return fmt.Errorf("jwks: Config.Issuer: %w", err)
		}
	}
	return cfg.durations()
}

// durations refuses negative durations and fills in defaults.
func (cfg *Config) durations() error {
	for _, d := range []struct {
		name   string
		value  *time.Duration
		preset time.Duration
	}{
		{"MaxAge", &cfg.MaxAge, DefaultMaxAge},
		{"MaxStale", &cfg.MaxStale, DefaultMaxStale},
		{"Cooldown", &cfg.Cooldown, DefaultCooldown},
		{"MaxWait", &cfg.MaxWait, DefaultMaxWait},
	} {
		if *d.value < 0 {
			return fmt.Errorf("jwks: Config.%s is negative", d.name)
		}
		if *d.value == 0 {
			*d.value = d.preset
		}
	}
	return nil
}
