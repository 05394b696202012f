// Command sso is an application that signs people in with Writ: it has pages
// with a cookie session of its own, and an API behind a guard. Two of it on two
// origins share one sign-in and one log-out.
//
// What a request meets first is here; what OpenID Connect asks of an application
// is in issuer.go, the sign-in and log-out of people in signin.go and logout.go.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/writ-auth/writ/guard"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// settings are what the flags say.
type settings struct{ name, listen, origin, issuer, clientID, secretFile string }

func parse(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("sso", flag.ContinueOnError)
	flags.StringVar(&s.name, "name", "Application A", "what the pages call this application")
	flags.StringVar(&s.listen, "listen", "127.0.0.1:3001", "address to listen on")
	flags.StringVar(&s.origin, "origin", "http://app-a.localhost:3001", "this application's origin in the browser, and the name of its API in tokens")
	flags.StringVar(&s.issuer, "issuer", "http://localhost:8080", "who signs people in")
	flags.StringVar(&s.clientID, "client", "app-a", "the client_id")
	flags.StringVar(&s.secretFile, "secret-file", "app-a.secret", "the file with the client's secret")
	return s, flags.Parse(args)
}

// app is the application.
type app struct {
	settings
	issuer   *issuer
	guard    *guard.Guard
	sessions *sessions
	client   *http.Client // to its own API
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	secret, err := os.ReadFile(s.secretFile)
	if err != nil {
		return err
	}
	iss, err := discover(ctx, s, strings.TrimSpace(string(secret)))
	if err != nil {
		return fmt.Errorf("the issuer can't be asked (is it running? make run starts it): %w", err)
	}
	g, err := guard.New(guard.Config{Issuers: []guard.Issuer{{URL: s.issuer, Audience: []string{s.origin}}}})
	if err != nil {
		return err
	}
	defer g.Close()
	a := &app{settings: s, issuer: iss, guard: g, sessions: newSessions(time.Now), client: &http.Client{Timeout: 10 * time.Second}}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is at %s\n", s.name, s.origin)
	return serve(ctx, listener, a.routes())
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

// routes keeps what browsers see apart from what bears tokens. The issuer's
// call is from neither: the token in it says who makes it.
func (a *app) routes() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", a.home)
	pages.HandleFunc("GET /signin", a.signIn)
	pages.HandleFunc("GET /callback", a.callback)
	pages.HandleFunc("POST /logout", a.logout)

	mux := http.NewServeMux()
	mux.Handle("/", http.NewCrossOriginProtection().Handler(pages))
	mux.Handle("GET /api/hello", a.guard.Handler(http.HandlerFunc(a.hello)))
	mux.HandleFunc("POST /backchannel-logout", a.backchannelLogout)
	return mux
}

// hello is the API, which anybody with an access token for it may call.
func (a *app) hello(w http.ResponseWriter, r *http.Request) {
	who := guard.From(r.Context()).Claims()
	fmt.Fprintf(w, "Hello from the API of %s, %s", a.name, cmp.Or(who.Name, who.Subject))
}
