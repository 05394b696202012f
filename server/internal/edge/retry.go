package edge

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// RetryAfter says in h when to come back after e, if e says so.
func RetryAfter(h http.Header, e *auth.Error) {
	if e.RetryAfter > 0 {
		h.Set("Retry-After", wholeSeconds(e.RetryAfter))
	}
}

// wholeSeconds is d rounded up: a client that comes back exactly then must not be
// early.
func wholeSeconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}
