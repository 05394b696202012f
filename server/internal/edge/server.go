package edge

import (
	"log/slog"
	"net/http"
	"time"
)

// The limits of a server. A client that is slower than this, or sends more,
// holds a connection that others need.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
)

// NewServer makes a server with limits on the time and size of everything that
// a client sends, and on how long it may take to receive. What net/http itself
// has to say goes to log.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Extend lets this request take until d from now: a long poll, or the next
// piece of a stream. The read deadline moves too, for net/http cancels the
// request's context when it passes, even after the body was read.
func Extend(w http.ResponseWriter, d time.Duration) error {
	c := http.NewResponseController(w)
	until := time.Now().Add(d) // the connection's clock, not the injected one
	if err := c.SetReadDeadline(until); err != nil {
		return err
	}
	return c.SetWriteDeadline(until)
}
