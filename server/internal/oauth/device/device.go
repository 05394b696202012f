// Package device is the door of the device flow (RFC 8628): /oauth/device, where
// devices begin, and /device, where people type what the device shows. The
// device asks for its tokens at the token endpoint.
package device

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	flow "github.com/writ-auth/writ/server/internal/device"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/session"
)

// Path is where devices begin.
const Path = "/oauth/device"

// Options are what a Door is made of; every field is required.
type Options struct {
	Clients  client.Authenticator
	Devices  Devices
	Requests Requests
	Callers  *caller.Finder
	View     *view.View
}

// Devices is the flow.
type Devices interface {
	Begin(ctx context.Context, client *auth.Registration, params map[string]string, address string) (flow.Codes, error)
	Ask(ctx context.Context, typed string, who session.Identity, address string) (flow.Question, error)
	Answer(ctx context.Context, ticket string, who session.Identity, allow bool, address string) error
}

// Requests lets people sign in first.
type Requests interface {
	ForDevice(userCode string) (ticket string, err error)
}

// Door is the device authorization endpoint and its pages.
type Door struct {
	Options
	endpoint client.Endpoint
}

// New makes the door.
func New(opts Options) *Door {
	d := &Door{Options: opts}
	d.endpoint = client.Endpoint{Path: Path, Clients: opts.Clients, Serve: d.begin, Pages: true}
	return d
}

// Register adds the door's routes to mux.
func (d *Door) Register(mux *http.ServeMux) {
	d.endpoint.Register(mux)
	for _, r := range d.pages() {
		mux.Handle(r.pattern, edge.PageHandler{Serve: r.serve, Show: d.View.Fail})
	}
}

// Routes lists the patterns that clients use, for the documents that describe
// them; the others are pages.
func Routes() []string { return []string{client.Endpoint{Path: Path}.Route()} }

// response is RFC 8628, section 3.2.
type response struct {
	DeviceCode   string `json:"device_code"`
	UserCode     string `json:"user_code"`
	Verification string `json:"verification_uri"`
	Complete     string `json:"verification_uri_complete"`
	ExpiresIn    int64  `json:"expires_in"`
	Interval     int64  `json:"interval"`
}

func (d *Door) begin(w http.ResponseWriter, r *http.Request, req client.Request) error {
	codes, err := d.Devices.Begin(r.Context(), req.Client.Registration, req.Form, req.Address)
	var refusal *authorization.Refusal
	if errors.As(err, &refusal) {
		return auth.Errorf(auth.Code(refusal.Code), "%s", refusal.Description)
	}
	if err != nil {
		return err
	}
	page, code := d.Callers.Issuer+authorization.PathDevice, flow.Readable(codes.User)
	w.Header().Set("Cache-Control", "no-store")
	return edge.WriteJSON(w, http.StatusOK, response{
		DeviceCode: codes.Device, UserCode: code, Verification: page, Complete: page + "?user_code=" + code,
		ExpiresIn: int64(flow.TTL / time.Second), Interval: int64(flow.Interval / time.Second),
	})
}
