package mint

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/server/internal/auth"
)

// TypeLogout is the typ of log-out tokens: a client must not take an ID token
// for one, nor one for an ID token.
const TypeLogout = "logout+jwt"

// LogoutTTL is the life of a log-out token, which is made for one delivery
// (OpenID Connect Back-Channel Logout, section 2.4).
const LogoutTTL = 2 * time.Minute

// LogoutToken makes the token that tells a client that a grant of its is over,
// signed as its ID tokens are. However often it is made, its jti is the same: to
// a client that had it before, it is a replay.
func (m *Mint) LogoutToken(ctx context.Context, client auth.Client, l auth.Logout, now time.Time) (ID, error) {
	key, err := m.ring.Signing(ctx, idAlgorithm(client))
	if err != nil {
		return ID{}, err
	}
	out := ID{Expiry: now.Add(LogoutTTL).Truncate(time.Second), KID: key.KeyID()}
	sum := sha256.Sum256([]byte("logout " + l.GrantID))
	c := &claims{}
	c.text("iss", m.issuer)
	c.text("sub", l.UserID)
	c.text("aud", client.ID)
	c.time("iat", now)
	c.time("exp", out.Expiry)
	c.text("jti", base64url.Encode(sum[:16]))
	c.text("sid", l.GrantID)
	c.add("events", []byte(`{"http://schemas.openid.net/event/backchannel-logout":{}}`))
	out.Token, err = sign(key, TypeLogout, c)
	m.issued(TypeLogout)
	return out, err
}
