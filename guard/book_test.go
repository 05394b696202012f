package guard_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/writ-auth/writ/guard"
)

// Close waits for a question about a client that is under way, and none begins
// afterwards.
func TestCloseWaitsForQuestionsAboutClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hold atomic.Bool
		answer := make(chan struct{})
		s := newSigning(t, func(cfg *guard.Config) {
			inner := cfg.Client.Transport
			cfg.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/oauth/client-keys" && hold.Load() {
					<-answer // whatever becomes of the request
				}
				return inner.RoundTrip(r)
			})}
		})
		known, stranger, late := s.Client("known", "read"), s.Client("stranger", "read"), s.Client("late", "read")
		s.want(t, "open", known.Token(reports), 200)

		hold.Store(true)
		waiting := make(chan int, 1)
		token := stranger.Token(reports)
		go func() { waiting <- s.status(token) }()
		synctest.Wait() // the question is under way
		var closed atomic.Bool
		go func() {
			if err := s.guard.Close(); err != nil {
				t.Error(err)
			}
			closed.Store(true)
		}()
		synctest.Wait()
		if closed.Load() {
			t.Error("Close has left a question under way")
		}
		close(answer)
		synctest.Wait()
		if !closed.Load() {
			t.Error("Close still waits")
		}
		if got := <-waiting; got != 503 {
			t.Errorf("who waited for the answer: status %d, want 503", got)
		}
		asked := s.asked.Load()
		s.want(t, "closed, a client that is known", known.Token(reports), 200)
		s.want(t, "closed, another", late.Token(reports), 503)
		if got := s.asked.Load(); got != asked {
			t.Errorf("%d questions after Close", got-asked)
		}
	})
}
