package auth

import (
	"context"
	"time"
)

// Logout is a grant that has ended and whose client is yet to be told (OpenID
// Connect Back-Channel Logout 1.0). The store makes one whenever a grant of a
// client with a BackchannelLogoutURI ends, whatever the cause, in the
// transaction that ends it.
type Logout struct {
	GrantID  string // the sid
	ClientID string
	UserID   string // the sub; there may be no such user any more
	EndedAt  time.Time
	Attempts int // to tell it, this one included
}

// Logouts is what delivers log-outs asks of the store.
type Logouts interface {
	// DueLogouts lists the clients to which something is due at a time, and
	// answers when the next is after that; zero: there is none.
	DueLogouts(ctx context.Context, now time.Time) (clientIDs []string, next time.Time, err error)
	// ClaimLogouts takes at most limit log-outs of a client that are due, the
	// oldest first. Nobody else gets them until lease, when they are due again if
	// they weren't settled: so what a node that died was about to tell is told by
	// another.
	ClaimLogouts(ctx context.Context, clientID string, now, lease time.Time, limit int) ([]Logout, error)
	// SettleLogout makes a log-out due again at a time, or removes it: zero. ev
	// may be nil.
	SettleLogout(ctx context.Context, grantID string, again time.Time, ev *Event) error
}
