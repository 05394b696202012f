package page

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/session"
)

type sessionView struct {
	ID, Device, Address, Since string
	Current                    bool
}

const (
	// maxSessions is how many sessions the page lists. Who has more can end all.
	maxSessions = 50
	// mostRead is how many it looks at to find the newest: a script that signs in
	// and never out must not make a page cost what its sessions do.
	mostRead = 1000
	perRead  = 200
)

// sessions lists where a person is signed in: first here, then the newest. more
// says that there are others.
func (d *Door) sessions(ctx context.Context, who session.Identity) (views []sessionView, more bool, err error) {
	list, more, err := d.liveSessions(ctx, who.User.ID)
	if err != nil {
		return nil, false, err
	}
	list = slices.DeleteFunc(list, func(s auth.Session) bool { return s.ID == who.Session.ID })
	slices.SortFunc(list, func(a, b auth.Session) int {
		return cmp.Or(b.AuthTime.Compare(a.AuthTime), cmp.Compare(a.ID, b.ID))
	})
	list = append([]auth.Session{who.Session}, list...) // even if it was not among those that were read
	if len(list) > maxSessions {
		list, more = list[:maxSessions], true
	}
	for _, s := range list {
		views = append(views, sessionView{ID: s.ID, Device: deviceOf(s.Device), Address: s.Address,
			Since: s.AuthTime.UTC().Format("2006-01-02 15:04:05 UTC"), Current: s.ID == who.Session.ID})
	}
	return views, more, nil
}

// liveSessions reads a person's sessions, mostRead of them at most.
func (d *Door) liveSessions(ctx context.Context, userID string) (list []auth.Session, more bool, err error) {
	for p := (auth.Page{Limit: perRead}); len(list) < mostRead; {
		var part []auth.Session
		if part, p.Cursor, err = d.Directory.LiveSessions(ctx, userID, p); err != nil {
			return nil, false, err
		}
		if list = append(list, part...); p.Cursor == "" {
			return list, false, nil
		}
	}
	return list, true, nil
}

// deviceOf makes of a User-Agent what people recognise; "" of none.
func deviceOf(agent string) string {
	browser, system := "", ""
	for _, b := range []struct{ mark, name string }{ // those that pretend to be another come first
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	} {
		if browser == "" && strings.Contains(agent, b.mark) {
			browser = b.name
		}
	}
	for _, s := range []struct{ mark, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	} {
		if system == "" && strings.Contains(agent, s.mark) {
			system = s.name
		}
	}
	switch {
	case browser != "" && system != "":
		return browser + ", " + system
	case browser != "":
		return browser
	}
	return agent
}
