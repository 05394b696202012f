// Command go-api is an API that package guard protects: one public route, one
// for everybody who has signed in, one for administrators.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/writ-auth/writ/guard"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// settings are what the flags and the environment say.
type settings struct{ listen, issuer, audience string }

func parse(args []string, getenv func(string) string) (s settings, err error) {
	flags := flag.NewFlagSet("go-api", flag.ContinueOnError)
	preset := func(name, value string) string {
		if set := getenv(name); set != "" {
			return set
		}
		return value
	}
	flags.StringVar(&s.listen, "listen", preset("LISTEN", "localhost:3000"), "address to listen on ($LISTEN)")
	flags.StringVar(&s.issuer, "issuer", preset("ISSUER", "http://localhost:8080"), "who issues the tokens ($ISSUER)")
	flags.StringVar(&s.audience, "audience", preset("AUDIENCE", "https://api.example.com"), "the name of this API in tokens ($AUDIENCE)")
	return s, flags.Parse(args)
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	s, err := parse(args, getenv)
	if err != nil {
		return err
	}
	g, err := guard.New(guard.Config{
		Issuers: []guard.Issuer{{URL: s.issuer, Audience: []string{s.audience}}},
		Public:  []string{"GET /healthz"},
		Render:  refused,
	})
	if err != nil {
		return err
	}
	defer g.Close()

	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s for tokens of %s\n", listener.Addr(), s.issuer)
	return serve(ctx, listener, api(g))
}

// serve answers requests until ctx is done, and then those under way.
func serve(ctx context.Context, listener net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// api is the whole API. Whatever is added to the mux needs a token, unless the
// guard's Public list names it.
func api(g *guard.Guard) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /orders", listOrders)
	mux.Handle("DELETE /orders/{id}", g.Handler(http.HandlerFunc(deleteOrder), guard.Role("admin")))
	return g.Handler(mux)
}

// refused writes the body of a refusal. Why goes to the log alone: every bad
// token gets the same answer, or a forger would learn what to try next.
func refused(w http.ResponseWriter, r *http.Request, refusal *guard.Refusal) {
	slog.Info("refused", "method", r.Method, "path", r.URL.Path, "status", refusal.Status, "why", refusal)
	fmt.Fprintln(w, http.StatusText(refusal.Status))
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "ok")
}

func listOrders(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "orders of %s\n", guard.From(r.Context()).Subject())
}

func deleteOrder(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "order %q deleted by %s\n", r.PathValue("id"), guard.From(r.Context()).Subject())
}
