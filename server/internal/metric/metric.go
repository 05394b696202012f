// Package metric counts what the server does, for Prometheus, and serves the
// admin listener: /metrics, /healthz, /readyz and, if asked for, profiles.
//
// Labels hold only values from short, fixed lists (patterns of routes, outcomes,
// verdicts): what a client can choose would let it fill the memory of the server
// and of whoever scrapes it, and user names would end up in graphs.
package metric

import (
	"math"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics is one registry with the server's metrics. It is safe for concurrent
// use, and two of them share nothing.
type Metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	signIns   *prometheus.CounterVec
	refreshes *prometheus.CounterVec
	tokens    *prometheus.CounterVec
	known     sync.Map // answered → *requestMetrics: to find them by their labels takes longer
}

// answered is what requests are told apart by; it has few values.
type answered struct {
	route  string
	status int
}

type requestMetrics struct {
	count prometheus.Counter
	took  prometheus.Observer
}

// New makes a registry. Version is the server's, for writ_build_info.
func New(version string) *Metrics {
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		requests:  counter("http_requests_total", "Requests answered, by the pattern of their route and status.", "route", "status"),
		durations: durations(),
		signIns:   counter("sign_ins_total", "Sign-ins, by outcome.", "outcome"),
		refreshes: counter("refreshes_total", "Refreshes, by the verdict on the presented token.", "verdict"),
		tokens:    counter("tokens_issued_total", "Tokens issued, by the typ in their header.", "typ"),
	}
	m.registry.MustRegister(
		m.requests, m.durations, m.signIns, m.refreshes, m.tokens, buildInfo(version),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const namespace = "writ"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func durations() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "http_request_duration_seconds",
		Help:    "How long requests took, by the pattern of their route and class of status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"route", "class"})
}

func buildInfo(version string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "The running version; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	info.Set(1)
	return info
}

// Request counts an answered request. Route is the pattern that matched, ""
// if none did.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	key := answered{route, status}
	known, ok := m.known.Load(key)
	if !ok {
		known, _ = m.known.LoadOrStore(key, m.newRequestMetrics(key))
	}
	r := known.(*requestMetrics)
	r.count.Inc()
	r.took.Observe(took.Seconds())
}

func (m *Metrics) newRequestMetrics(key answered) *requestMetrics {
	if key.route == "" {
		key.route = "none"
	}
	return &requestMetrics{
		m.requests.WithLabelValues(key.route, strconv.Itoa(key.status)),
		m.durations.WithLabelValues(key.route, class(key.status)),
	}
}

func class(status int) string { return strconv.Itoa(status/100) + "xx" }

// SignIn counts a sign-in by its outcome.
func (m *Metrics) SignIn(outcome string) { m.signIns.WithLabelValues(outcome).Inc() }

// Refresh counts a refresh by the verdict on the token that was presented.
func (m *Metrics) Refresh(verdict string) { m.refreshes.WithLabelValues(verdict).Inc() }

// TokenIssued counts a token by its typ, such as "at+jwt".
func (m *Metrics) TokenIssued(typ string) { m.tokens.WithLabelValues(typ).Inc() }

// RevocationLog adds a gauge of the log's head, read at each scrape; NaN where
// the log can't be read. Call it once.
func (m *Metrics) RevocationLog(head func() (uint64, error)) {
	m.gauge("revocation_log_head", "The number of the newest entry of the revocation log.", func() float64 {
		n, err := head()
		if err != nil {
			return math.NaN()
		}
		return float64(n)
	})
}

// HashPool adds gauges of the password hashing pool, read at each scrape. Call
// it once.
func (m *Metrics) HashPool(depth func() (running, waiting int)) {
	m.gauge("password_hashes_running", "Password hashes being computed.", func() float64 {
		running, _ := depth()
		return float64(running)
	})
	m.gauge("password_hashes_waiting", "Password hashes waiting for a place in the pool.", func() float64 {
		_, waiting := depth()
		return float64(waiting)
	})
}

// Throttle adds metrics of the throttle of failed sign-ins. Call it once.
func (m *Metrics) Throttle(entries func() int, evicted func() uint64) {
	m.gauge("throttle_entries", "Accounts and addresses whose failures are remembered.", func() float64 { return float64(entries()) })
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Name: "throttle_evictions_total", Help: "Entries of the throttle that had to make room for others.",
	}, func() float64 { return float64(evicted()) }))
}

func (m *Metrics) gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, read))
}
