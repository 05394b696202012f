package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/edge"
)

// drainTime is how long requests under way may take after the server is told
// to stop.
const drainTime = 10 * time.Second

// Run serves on the listeners and on the operator's socket until ctx ends, and
// then stops: no new connections, long polls answered, requests under way
// drained. It closes the listeners. An error of any of the servers stops all.
func (a *App) Run(ctx context.Context, listeners *Listeners) error {
	socket, err := listenSocket(SocketPath(a.cfg))
	if err != nil {
		a.logger.WarnContext(ctx, "no operator's socket: the command line can't reach this server but with --server", "error", err)
	}
	a.warn(ctx)
	servers := []*served{
		{a.server(a.Handler()), listeners.Public},
		{a.server(a.Admin()), listeners.Admin},
	}
	if socket != nil {
		servers = append(servers, &served{a.server(a.Operator()), socket})
		defer os.Remove(SocketPath(a.cfg))
	}
	chores, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { a.keys.Run(chores, a.logger) })
	running.Go(func() { a.sweep(chores) })
	running.Go(func() { a.TellOfLogouts(chores) })
	running.Go(func() { listeners.Watch(chores, a.logger) })
	reading, endReading := context.WithCancel(context.WithoutCancel(ctx)) // requests that are drained read the log, too
	running.Go(func() { a.log.Run(reading, a.logger) })
	running.Go(func() { a.keepDenylist(reading) })
	err = a.serve(ctx, servers)
	stop()
	endReading()
	running.Wait()
	return err
}

// sweepEvery is how often what has expired is removed.
const sweepEvery = 5 * time.Minute

// sweep removes what has expired, so that the database is as large as what is
// alive in it.
func (a *App) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if _, err := a.store.Sweep(ctx, a.now()); err != nil && ctx.Err() == nil {
			a.logger.WarnContext(ctx, "what has expired can't be removed", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// served is a server and its listener.
type served struct {
	server   *http.Server
	listener net.Listener
}

func (a *App) server(h http.Handler) *http.Server { return edge.NewServer(h, a.logger) }

func (a *App) serve(ctx context.Context, servers []*served) error {
	failed := make(chan error, len(servers))
	for _, s := range servers {
		go func() { failed <- s.server.Serve(s.listener) }()
	}
	running := len(servers)
	var err error
	select {
	case <-ctx.Done():
		a.logger.Info("stopping", "drain", drainTime)
	case err = <-failed:
		running--
		err = fmt.Errorf("the server stopped by itself: %w", err)
	}
	a.drain()
	err = errors.Join(err, a.shutdown(servers))
	for range running {
		if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// shutdown waits for the requests under way, and cuts off those that take too
// long.
func (a *App) shutdown(servers []*served) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	done := make(chan error, len(servers))
	for _, s := range servers {
		go func() {
			err := s.server.Shutdown(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				a.logger.Warn("requests were cut off", "after", drainTime)
				err = s.server.Close()
			}
			done <- err
		}()
	}
	var err error
	for range servers {
		err = errors.Join(err, <-done)
	}
	return err
}

// warn says what is allowed and yet worth a second look.
func (a *App) warn(ctx context.Context) {
	if err := CheckDataDir(a.cfg); err != nil {
		a.logger.WarnContext(ctx, "others can read the server's data", slog.Any("error", err))
	}
	if strings.HasPrefix(a.cfg.Issuer, "http://") && !loopback(a.cfg.Listen) {
		a.logger.WarnContext(ctx, "an http issuer is for this machine alone, and the server listens to others: passwords cross the network in the clear", "listen", a.cfg.Listen)
	}
}
