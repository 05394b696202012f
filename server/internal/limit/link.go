package limit

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	// dialWithin is how long each step of connecting may take. Only the start
	// waits for it.
	dialWithin = 2 * time.Second
	// maxAsked is how many requests may wait for Redis; they wait at most
	// answerWithin each.
	maxAsked = 1 << 10
)

// server is what a URL says of a Redis server.
type server struct {
	network, address string
	options          []redis.DialOption
}

// parseServer reads redis://user:password@host:port/1, rediss:// for TLS, and
// unix:///path?db=1. The error may repeat the URL. What it doesn't know it
// refuses: a parameter that another client understands may be one about safety.
func parseServer(text string, roots *x509.CertPool) (server, error) {
	u, err := url.Parse(text)
	if err != nil {
		return server{}, err
	}
	s := server{network: "tcp", address: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "6379"))}
	db := strings.TrimPrefix(u.Path, "/")
	switch u.Scheme {
	case "redis":
	case "rediss":
		s.options = append(s.options, redis.DialUseTLS(true),
			redis.DialTLSConfig(&tls.Config{ServerName: u.Hostname(), RootCAs: roots, MinVersion: tls.VersionTLS12}))
	case "unix":
		s.network, s.address, db = "unix", u.Path, ""
	default:
		return server{}, errors.New("an unknown scheme")
	}
	if s.network == "tcp" && u.Hostname() == "" || s.address == "" {
		return server{}, errors.New("no server is named")
	}
	for name, values := range u.Query() {
		if name != "db" || len(values) > 1 {
			return server{}, errors.New("an unknown parameter")
		}
		db = values[0]
	}
	n, err := strconv.ParseUint(cmp.Or(db, "0"), 10, 16)
	if err != nil {
		return server{}, errors.New("the database is no number")
	}
	password, _ := u.User.Password()
	s.options = append(s.options, redis.DialDatabase(int(n)), redis.DialUsername(u.User.Username()), redis.DialPassword(password))
	return s, nil
}

// dial connects, and asks for a name of ours: a server that still loads its
// data, or that lets us in but not at our names, is no server yet.
func (s server) dial(probe string) (*link, error) {
	l := &link{asked: make(chan *question, maxAsked), gone: make(chan struct{})}
	dialer := net.Dialer{Timeout: dialWithin, KeepAlive: 5 * time.Second}
	var err error
	l.conn, err = redis.Dial(s.network, s.address, append([]redis.DialOption{
		redis.DialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			var err error
			l.raw, err = dialer.DialContext(ctx, network, address)
			return l.raw, err
		}),
		redis.DialTLSHandshakeTimeout(dialWithin), redis.DialReadTimeout(dialWithin), redis.DialWriteTimeout(dialWithin),
	}, s.options...)...)
	if err != nil {
		return nil, err
	}
	_, err = l.conn.Do("CLIENT", "SETNAME", "writ") // for whoever lists clients; some servers allow nobody to say so
	if err == nil || l.conn.Err() == nil {
		_, err = l.conn.Do("GET", probe)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// command is one for Redis: its name and arguments.
type command []any

// question is the commands of one request, whose answers come one by one.
type question struct {
	want    int
	answers []any         // not to be read before done
	done    chan struct{} // closed with the last answer
}

// link is a connection that all requests write to. Redis answers in the order
// that it was asked in, so one reader hands the answers out.
type link struct {
	conn redis.Conn
	raw  net.Conn // may be closed at any time, as conn may not

	mu    sync.Mutex // held to write
	asked chan *question
	gone  chan struct{} // closed when nobody reads any more
}

var (
	errSlow = errors.New("no answer in time")
	errLost = errors.New("the connection was lost")
)

// ask answers what Redis said, errors of its own among it.
func (l *link) ask(ctx context.Context, commands []command) ([]any, error) {
	q := &question{want: len(commands), done: make(chan struct{})}
	if err := l.write(q, commands); err != nil {
		return nil, err
	}
	select {
	case <-q.done:
		return q.answers, nil
	case <-l.gone:
		return nil, errLost
	case <-ctx.Done():
		return nil, errSlow
	}
}

func (l *link) write(q *question, commands []command) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.asked <- q:
	default:
		return errSlow
	}
	for _, c := range commands {
		if err := l.conn.Send(c[0].(string), c[1:]...); err != nil {
			return err
		}
	}
	return l.conn.Flush()
}

// read hands out answers until the connection is lost, and says why it was. It
// always reads, so that a server that goes away is noticed at once, by nobody's
// request.
func (l *link) read() error {
	defer close(l.gone)
	var q *question
	for {
		answer, err := redis.ReceiveWithTimeout(l.conn, 0)
		if lost := l.conn.Err(); lost != nil {
			return lost
		}
		if err != nil {
			answer = err
		}
		if q == nil {
			select {
			case q = <-l.asked:
			default:
				return errors.New("an answer that nobody asked for")
			}
		}
		if q.answers = append(q.answers, answer); len(q.answers) == q.want {
			close(q.done)
			q = nil
		}
	}
}

func (l *link) close() { l.raw.Close() }

// refused is the first error that Redis answered.
func refused(answers []any) error {
	for _, answer := range answers {
		if err, ok := answer.(error); ok {
			return err
		}
	}
	return nil
}
