package load

import (
	"bufio"
	"strings"
	"time"
)

// What tests in package load_test see of the inside.

// Answer reads what a server has sent.
func Answer(wire string) (status int, body []byte, last bool, err error) {
	c := &conn{read: bufio.NewReader(strings.NewReader(wire))}
	return c.answer()
}

// Bucket is the range that a duration is counted in, by its upper end.
func Bucket(d time.Duration) time.Duration { return upper(bucket(d)) }

// NewRefreshing is the task of refreshing, of a user and session.
func NewRefreshing(issuer, user, session, sid, token string) Task {
	return &refreshing{inspector: inspector{want: claims{Issuer: issuer, Subject: user, ClientID: "writ", Audience: issuer, Session: sid}},
		token: token, session: session}
}

// NewClientToken is the task of client credentials.
func NewClientToken(issuer, client, audience string) Task {
	return newClientToken(Target{}, &subject{Issuer: issuer, ClientID: client, Audience: audience})
}

// NewIntrospection is the task of introspection, which has asked so often.
func NewIntrospection(issuer, client, audience string, asked int) Task {
	i := newIntrospection(Target{}, &subject{}, "live", claims{Issuer: issuer, Subject: client, ClientID: client, Audience: audience})
	for range asked {
		i.Request(nil)
	}
	return i
}

// NewOwn is the task of the protected route.
func NewOwn(user, session string) Task { return newOwn(Target{}, user, session, "token") }

// Flow is the task of a code flow, for an application "app".
type Flow = codeFlow

// NewCodeFlow makes it for a user.
func NewCodeFlow(issuer, id, audience string) *Flow {
	return newCodeFlow(&subject{Issuer: issuer, Audience: audience, User: user{ID: id}, App: application{ID: "app"}}, "c=v")
}

// Sent tells the task where the browser is sent.
func (f *codeFlow) Sent(location string) { f.follow(fields{location: location}) }

// More says whether the flow goes on.
func (f *codeFlow) More() bool { return f.more() }
