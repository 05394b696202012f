package metric

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout is how long a readiness check may take before the answer is no.
const readyTimeout = 2 * time.Second

// Admin is the handler of the admin listener. Metrics, Ready and Log must be set.
type Admin struct {
	Metrics *Metrics
	Ready   func(ctx context.Context) error // nil when the server can do its work
	Hosts   []string                        // host names to answer to, besides IP literals and localhost
	Pprof   bool                            // serve profiles under /debug/pprof/
	Log     *slog.Logger
}

// Handler serves
//
//	/metrics       the metrics, in Prometheus's formats
//	/healthz       200 as long as the process answers
//	/readyz        200 if it can do its work, else 503
//	/debug/pprof/  profiles, if Pprof is set
//
// It answers only if the Host is an IP literal, localhost or on the list. The
// listener is bound to loopback, but a web page can send the operator's browser
// there under a name of its own that it points at 127.0.0.1 (DNS rebinding) and
// would read the answer; it can't make the browser send another Host.
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.Metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", a.healthy)
	mux.HandleFunc("GET /readyz", a.ready)
	if a.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return a.guard(mux)
}

func (a *Admin) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if !a.answersTo(r.Host) {
			http.Error(w, "this listener does not answer to that host; see --admin-hosts", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answersTo reports whether host, with or without a port, is one of ours.
func (a *Admin) answersTo(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(host)
	if host == "localhost" || slices.Contains(a.Hosts, host) {
		return true
	}
	_, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil
}

func (a *Admin) healthy(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }

func (a *Admin) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := a.Ready(ctx); err != nil {
		a.Log.WarnContext(r.Context(), "not ready", "error", err)
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}
