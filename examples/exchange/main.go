// Command exchange is two services in one program: "orders", which people call,
// and "stock", which orders calls further for them. Orders never sends on the
// token that it was sent; it exchanges it (RFC 8693) for one that is for stock,
// about the same person, and says that orders acts.
package main

import (
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
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// settings are what the flags and the environment say.
type settings struct{ listen, issuer, orders, stock, stockURL, client, secret string }

func parse(args []string, getenv func(string) string) (role string, s settings, err error) {
	flags := flag.NewFlagSet("exchange orders|stock", flag.ContinueOnError)
	flags.StringVar(&s.listen, "listen", "localhost:0", "address to listen on")
	flags.StringVar(&s.issuer, "issuer", "http://localhost:8080", "who issues the tokens")
	flags.StringVar(&s.orders, "orders", "https://orders.example", "the name of the API orders in tokens")
	flags.StringVar(&s.stock, "stock", "https://stock.example", "the name of the API stock")
	flags.StringVar(&s.stockURL, "stock-url", "http://localhost:3001", "where stock is")
	flags.StringVar(&s.client, "client", "orders", "the client_id of orders; its secret is in $CLIENT_SECRET")
	if len(args) == 0 || args[0] != "orders" && args[0] != "stock" {
		return "", s, errors.New("say which service: exchange orders, or exchange stock")
	}
	s.secret = getenv("CLIENT_SECRET")
	return args[0], s, flags.Parse(args[1:])
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	role, s, err := parse(args, getenv)
	if err != nil {
		return err
	}
	audience := s.stock
	if role == "orders" {
		audience = s.orders
	}
	g, err := guard.New(guard.Config{Issuers: []guard.Issuer{{URL: s.issuer, Audience: []string{audience}}}})
	if err != nil {
		return err
	}
	defer g.Close()
	h := stockAPI(g)
	if role == "orders" {
		h = ordersAPI(g, &exchanger{tokenURL: s.issuer + "/oauth/token", client: s.client, secret: s.secret, audience: s.stock}, s.stockURL)
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s for tokens of %s\n", listener.Addr(), s.issuer)
	return serve(ctx, listener, h)
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

// ordersAPI answers what a person has ordered, and asks stock how many there are.
func ordersAPI(g *guard.Guard, x *exchanger, stockURL string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		left, err := askStock(r.Context(), x, stockURL, bearer(r))
		if err != nil {
			log.Printf("stock: %v", err) // it names no token
			http.Error(w, "stock can't be asked now", http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "orders of %s; %s", guard.From(r.Context()).Subject(), left)
	})
	return g.Handler(mux)
}

// bearer is the token that the guard has found good.
func bearer(r *http.Request) string {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token)
}

// askStock calls stock for whoever sent the token.
func askStock(ctx context.Context, x *exchanger, stockURL, token string) (string, error) {
	further, err := x.exchange(ctx, token)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, stockURL+"/stock", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+further)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		x.forget(token) // it may have been revoked: exchange anew the next time
		return "", fmt.Errorf("status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return string(body), err
}

// stockAPI answers services that ask for somebody. The token says who acts.
func stockAPI(g *guard.Guard) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stock", func(w http.ResponseWriter, r *http.Request) {
		access := guard.From(r.Context())
		claims, err := guard.As[delegated](access)
		if err != nil {
			g.Refuse(w, r, err)
			return
		}
		fmt.Fprintf(w, "7 left, says stock to %s for %s\n", claims.Actor.Subject, access.Subject())
	})
	return g.Handler(mux)
}
