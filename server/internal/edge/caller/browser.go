package caller

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/session"
)

// Browser answers who is signed in in the browser that r comes from, by the
// cookie of single sign-on alone, and that cookie; nil if nobody is. It says
// nothing about who made the browser send r: a page that changes something asks
// SameOrigin as well.
func (f *Finder) Browser(r *http.Request) (*session.Identity, string, error) {
	cookie, err := f.Cookies.Read(r, edge.SessionCookie)
	if err != nil || cookie == "" {
		return nil, "", err
	}
	who, err := f.Sessions.ByCookie(r.Context(), cookie)
	if Refused(err) {
		return nil, cookie, nil
	}
	if err != nil {
		return nil, "", err
	}
	return &who, cookie, nil
}
