package directory

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// NewSecret is a further shared secret of an API, and when it begins to sign.
type NewSecret struct {
	Secret
	Audience  string
	SignsFrom time.Time
}

// AddAPISecret makes a second shared secret for an API. It begins to sign after
// delay, so that the API can be given it first; the older one verifies until
// the last token under it is over. An API without a live secret gets one that
// signs at once. A third live one is CodeConflict.
func (s *Service) AddAPISecret(ctx context.Context, actor Actor, audienceOrID string, delay time.Duration) (NewSecret, error) {
	api, err := s.API(ctx, audienceOrID)
	if err != nil {
		return NewSecret{}, err
	}
	if !hmac(api.Algorithm) {
		return NewSecret{}, auth.Invalid("id", "this API's tokens are signed with a key pair, not with a shared secret")
	}
	if delay < 0 || delay > MaxAccessTTL*30 {
		return NewSecret{}, auth.Invalid("signs_in", "signs_in must be 0 to %d seconds", int64(MaxAccessTTL*30/time.Second))
	}
	text, row, err := s.Keys.NewAPISecret(api.ID, api.Algorithm)
	if err != nil {
		return NewSecret{}, err
	}
	row.SignsFrom = row.CreatedAt.Add(delay)
	ev := s.event(act{actor, "api.secret", api.ID})
	err = s.Directory.AddAPISecret(ctx, row, row.SignsFrom.Add(MaxAccessTTL+auth.LogMemory), ev)
	if errors.Is(err, auth.ErrConflict) {
		return NewSecret{}, auth.Errorf(auth.CodeConflict, "This API has two live secrets; wait until the older one ends.")
	}
	return NewSecret{Secret{row.KID, text}, api.Audience, row.SignsFrom}, failed(err, "secret")
}
