package jwks

import (
	"net/http"
	"time"
)

// Lifetime is how long a set is kept that came with these headers.
func (r *Remote) Lifetime(header http.Header) time.Duration { return r.lifetime(header) }
