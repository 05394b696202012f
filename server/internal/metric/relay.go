package metric

import "github.com/prometheus/client_golang/prometheus"

// Relay is what a relay of the revocation log tells about itself.
type Relay struct {
	Head, Entries, Age, Streams, Polls float64 // now; Age in seconds, -1 before the first head
	Events, Dropped, Failures          float64 // since the start
}

// Relay adds metrics of a relay, read at each scrape. Call it once.
func (m *Metrics) Relay(read func() Relay) {
	m.gauge("relay_log_head", "The number of the newest entry of the log that is passed on.", func() float64 { return read().Head })
	m.gauge("relay_log_entries", "Entries of the log in memory.", func() float64 { return read().Entries })
	m.gauge("relay_head_age_seconds", "The age of the newest signed head; -1 before the first.", func() float64 { return read().Age })
	m.gauge("relay_streams", "Streams that are served.", func() float64 { return read().Streams })
	m.gauge("relay_polls_waiting", "Polls that are held back.", func() float64 { return read().Polls })
	m.total("relay_events_total", "Events sent, to all streams together.", func() float64 { return read().Events })
	m.total("relay_streams_dropped_total", "Streams that were dropped because they were too slow.", func() float64 { return read().Dropped })
	m.total("relay_upstream_failures_total", "Attempts to follow the upstream that failed.", func() float64 { return read().Failures })
}

func (m *Metrics) total(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, read))
}
