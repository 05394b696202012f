package oauth_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/edge"
)

// BenchmarkToken compares what the token endpoint does for a request with a
// handler that only signs, and introspection with one that does nothing, each
// behind a real port with 16 connections. Clients and server share the cores,
// so the ratios are better than those of two machines would be.
func BenchmarkToken(b *testing.B) {
	w := newBench(b)
	b.Run("bare ES256", func(b *testing.B) { load(b, w.bare.Listener.Addr(), "/", "", "a=b") })
	b.Run("basic", func(b *testing.B) {
		load(b, w.writ.Listener.Addr(), "/oauth/token", w.authorization, "grant_type=client_credentials")
	})
	b.Run("post", func(b *testing.B) {
		load(b, w.writ.Listener.Addr(), "/oauth/token", "", "grant_type=client_credentials&client_id=poster&client_secret="+w.secret)
	})
	b.Run("HS256", func(b *testing.B) {
		load(b, w.writ.Listener.Addr(), "/oauth/token", "", "grant_type=client_credentials&client_id=sharer&client_secret="+w.shared)
	})
}

func BenchmarkIntrospect(b *testing.B) {
	w := newBench(b)
	b.Run("empty", func(b *testing.B) { load(b, w.empty.Listener.Addr(), "/", "", "a=b") })
	b.Run("client's", func(b *testing.B) {
		load(b, w.writ.Listener.Addr(), "/oauth/introspect", w.authorization, "token="+w.clients)
	})
	b.Run("person's", func(b *testing.B) {
		load(b, w.writ.Listener.Addr(), "/oauth/introspect", w.authorization, "token="+w.persons)
	})
	b.Run("inactive", func(b *testing.B) {
		load(b, w.writ.Listener.Addr(), "/oauth/introspect", w.authorization, "token=x")
	})
}

// BenchmarkHandlers is what the handlers alone cost: no connection, and nobody
// on the other end of it.
func BenchmarkHandlers(b *testing.B) {
	w := newBench(b)
	b.Run("introspect", func(b *testing.B) { w.handle(b, "/oauth/introspect", "token="+w.persons) })
	b.Run("token", func(b *testing.B) { w.handle(b, "/oauth/token", "grant_type=client_credentials") })
}

func (w *bench) handle(b *testing.B, path, body string) {
	b.Helper()
	r := httptest.NewRequest("POST", path, nil)
	r.Header.Set("Authorization", w.authorization)
	r.Header.Set("Content-Type", formType)
	r.ContentLength = int64(len(body))
	content := strings.NewReader(body)
	r.Body = io.NopCloser(content)
	out := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		content.Reset(body)
		clear(out.header)
		w.writ.Config.Handler.ServeHTTP(out, r)
		if out.status != 200 {
			b.Fatal(out.status)
		}
	}
}

// discard is an answer that goes nowhere.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { d.status = 200; return len(p), nil }

type bench struct {
	bare, empty, writ             *httptest.Server
	authorization, secret, shared string
	clients, persons              string // access tokens
}

func newBench(b *testing.B) *bench {
	b.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := jwt.NewSigner[jwt.AccessClaims](key, jwt.SignOptions{Issuer: issuer, Lifetime: time.Minute, NewID: true, Type: "at+jwt"})
	if err != nil {
		b.Fatal(err)
	}
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := signer.Sign(jwt.AccessClaims{Claims: jwt.Claims{Subject: "svc", Audience: jwt.Audience{orders}}, ClientID: "svc"})
		if err != nil {
			b.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 60})
	}))
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	cfg, err := config.Load(config.Source{Flags: map[string]string{"data": b.TempDir(), "issuer": issuer},
		Environ: []string{"WRIT_ADMIN_EMAIL=" + adminMail, "WRIT_ADMIN_PASSWORD=" + password}})
	if err != nil {
		b.Fatal(err)
	}
	a, err := app.New(b.Context(), cfg, app.Options{Logger: slog.New(edge.NewLog(io.Discard, false, nil))})
	if err != nil {
		b.Fatal(err)
	}
	w := &bench{bare: bare, empty: empty, writ: httptest.NewServer(a.Handler())}
	b.Cleanup(func() {
		bare.Close()
		empty.Close()
		w.writ.Close()
		a.Close()
	})
	operator := httptest.NewServer(a.Operator())
	defer operator.Close()
	ask := func(url, kind, body string, changes ...with) map[string]any {
		b.Helper()
		r, err := http.NewRequestWithContext(b.Context(), "POST", url, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		for _, change := range changes {
			change(r)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer res.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode > 201 {
			b.Fatalf("%s: %d %v %v", url, res.StatusCode, out, err)
		}
		return out
	}
	const jsonType = "application/json"
	ask(operator.URL+"/v1/admin/apis", jsonType, `{"audience":"`+orders+`","scopes":["read","write"]}`)
	ask(operator.URL+"/v1/admin/apis", jsonType, `{"audience":"`+stock+`","algorithm":"HS256"}`)
	fields := `"grant_types":["client_credentials"],"audiences":["` + orders + `"],"scope":"read write"`
	w.secret = ask(operator.URL+"/v1/admin/clients", jsonType, `{"client_id":"poster","token_endpoint_auth_method":"client_secret_post",`+fields+`}`)["client_secret"].(string)
	w.shared = ask(operator.URL+"/v1/admin/clients", jsonType, `{"client_id":"sharer","token_endpoint_auth_method":"client_secret_post",
		"grant_types":["client_credentials"],"audiences":["`+stock+`"]}`)["client_secret"].(string)
	secret := ask(operator.URL+"/v1/admin/clients", jsonType, `{"client_id":"svc",`+fields+`}`)["client_secret"].(string)
	w.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte("svc:"+secret))
	w.clients = ask(w.writ.URL+"/oauth/token", formType, "grant_type=client_credentials", basic("svc", secret))["access_token"].(string)
	w.persons = ask(w.writ.URL+"/v1/login", jsonType, `{"email":"`+adminMail+`","password":"`+password+`","audience":"`+orders+`"}`)["access_token"].(string)
	return w
}

// load sends b.N requests on 16 connections that stay open, with a client that
// does no more than it must, and wants 200 for each.
func load(b *testing.B, addr net.Addr, path, authorization, body string) {
	b.Helper()
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n", path, formType, len(body))
	if authorization != "" {
		head += "Authorization: " + authorization + "\r\n"
	}
	request := []byte(head + "\r\n" + body)
	var left atomic.Int64
	left.Store(int64(b.N))
	var connections sync.WaitGroup
	b.ResetTimer()
	for range 16 {
		connections.Go(func() {
			conn, err := net.Dial(addr.Network(), addr.String())
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for left.Add(-1) >= 0 {
				if err := exchange(conn, in, request); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	connections.Wait()
}

// exchange sends one request and reads its answer.
func exchange(conn net.Conn, in *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("%s", line)
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			_, err := in.Discard(length)
			return err
		}
	}
}
