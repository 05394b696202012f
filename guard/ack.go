package guard

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/fetch"
)

// verifierHeader tells an issuer which streams, polls and acknowledgements are
// one verifier's: several may have the same credentials.
const verifierHeader = "Writ-Verifier"

// newVerifierID returns a name that nobody else has, and nobody can guess.
func newVerifierID() string {
	id := make([]byte, 16)
	_, _ = cryptorand.Read(id) // doesn't fail
	return base64.RawURLEncoding.EncodeToString(id)
}

const (
	ackEvery   = 20 * time.Millisecond // at most; and so long after what is acknowledged, or up to twice that
	ackTimeout = 2 * time.Second
	maxAck     = 16 << 10 // bytes of an answer that nobody reads
)

// acks tells the issuer how far the log is applied here when it asks, since who
// revoked something waits for it. The issuer asks those who have a stream of its
// own; behind a relay, acknowledging would bring back the load that the relay is
// there to take. At most one is under way; what comes meanwhile goes along with
// the next. One that fails is lost: who still waits asks again with the next
// head, and following depends on none.
type acks struct {
	issuer *issuer
	wanted chan struct{}           // holds one when there is something to be sent
	latest atomic.Pointer[ackBody] // sent, or to be

	sent, failed atomic.Uint64
}

type ackBody struct {
	Log string `json:"log"`
	Seq uint64 `json:"seq"`

	endpoint string
}

// newAcks returns nil where nobody would believe them: without credentials.
func newAcks(i *issuer) *acks {
	if i.credentials == nil {
		return nil
	}
	return &acks{issuer: i, wanted: make(chan struct{}, 1)}
}

// asked has it said that a log is applied up to a number, if it wasn't. It never
// waits.
func (a *acks) asked(endpoint, log string, seq uint64) {
	if a == nil || endpoint == "" {
		return
	}
	if last := a.latest.Load(); last != nil && last.Log == log && last.Seq == seq {
		return
	}
	a.latest.Store(&ackBody{Log: log, Seq: seq, endpoint: endpoint})
	select {
	case a.wanted <- struct{}{}:
	default:
	}
}

// again forgets what was sent: a new stream may be another node's.
func (a *acks) again() {
	if a != nil {
		a.latest.Store(nil)
	}
}

// run sends until ctx is done.
func (a *acks) run(ctx context.Context) {
	for {
		select {
		case <-a.wanted:
		case <-ctx.Done():
			return
		}
		// At once, a thousand verifiers on a machine would acknowledge while others
		// of them wait for the event; and what comes now can go along.
		if !sleep(ctx, ackEvery+rand.N(ackEvery)) {
			return
		}
		select {
		case <-a.wanted: // goes along
		default:
		}
		if body := a.latest.Load(); body != nil {
			if err := a.send(ctx, body); err == nil {
				a.sent.Add(1)
			} else {
				a.failed.Add(1)
				a.latest.CompareAndSwap(body, nil)
			}
		}
	}
}

func (a *acks) send(ctx context.Context, body *ackBody) error {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := newRequest(ctx, http.MethodPost, body.endpoint, nil, a.issuer.credentials)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(verifierHeader, a.issuer.verifierID)
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(string(text))), int64(len(text))
	answer, err := a.issuer.client.Do(req, maxAck)
	if err != nil {
		return err
	}
	if answer.Status/100 != 2 {
		return answer.StatusError()
	}
	return nil
}

// owns reports whether an address is the issuer's own, so that credentials may
// be shown there: at a relay, they would be somebody else's.
func (i *issuer) owns(address string) bool {
	ours, err := fetch.ParseURL(i.cfg.URL)
	if err != nil {
		return false
	}
	theirs, err := fetch.ParseURL(address)
	return err == nil && ours.Scheme == theirs.Scheme && ours.Host == theirs.Host
}
