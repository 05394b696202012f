// Package admin is the door /v1/admin: the administrators' API.
//
// A route names the permission it needs, which the caller must have at this
// very request: roles are read from the store, never from a token. Package
// directory judges what is then done with it, so that nobody grants or edits
// what is above their own permissions.
package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/query"
	"github.com/writ-auth/writ/server/internal/revocation"
)

// Options are what a Door is made of; every field is required.
type Options struct {
	Directory   *directory.Service
	Revocations Revocations
	Callers     *caller.Finder
	Audit       Events
	Keys        Keys
	Keyring     Keyring
	Backups     Backups
}

// Revocations revokes.
type Revocations interface {
	Revoke(ctx context.Context, kind revocation.Kind, id string, ev auth.Event) (uint64, error)
	RevokeToken(ctx context.Context, token string, ev auth.Event) (uint64, error)
	// Await waits for verifiers that follow the log.
	Await(ctx context.Context, seq uint64, wait time.Duration) (revocation.Acknowledged, error)
}

// Events is the audit, read.
type Events interface {
	Events(ctx context.Context, p auth.Page) ([]auth.Event, string, error)
}

// Keys lists the server's keys.
type Keys interface {
	Keys(ctx context.Context) ([]auth.Key, error)
}

// Door is /v1/admin.
type Door struct{ Options }

// New makes the door.
func New(opts Options) *Door { return &Door{opts} }

// handler answers a request of an actor who may use the route.
type handler func(w http.ResponseWriter, r *http.Request, actor directory.Actor) error

type route struct {
	pattern    string
	permission string
	handle     handler
}

func (d *Door) routes() []route {
	return []route{
		{"GET /v1/admin/users", directory.UsersRead, d.users},
		{"POST /v1/admin/users", directory.UsersWrite, d.createUser},
		{"GET /v1/admin/users/{id}", directory.UsersRead, d.user},
		{"PATCH /v1/admin/users/{id}", directory.UsersWrite, d.updateUser},
		{"DELETE /v1/admin/users/{id}", directory.UsersWrite, d.deleteUser},

		{"GET /v1/admin/roles", directory.RolesRead, d.roles},
		{"POST /v1/admin/roles", directory.RolesWrite, d.createRole},
		{"GET /v1/admin/roles/{id}", directory.RolesRead, d.role},
		{"PATCH /v1/admin/roles/{id}", directory.RolesWrite, d.updateRole},
		{"DELETE /v1/admin/roles/{id}", directory.RolesWrite, d.deleteRole},

		{"GET /v1/admin/orgs", directory.OrgsRead, d.orgs},
		{"POST /v1/admin/orgs", directory.OrgsWrite, d.createOrg},
		{"GET /v1/admin/orgs/{id}", directory.OrgsRead, d.org},
		{"PATCH /v1/admin/orgs/{id}", directory.OrgsWrite, d.updateOrg},
		{"DELETE /v1/admin/orgs/{id}", directory.OrgsWrite, d.deleteOrg},
		{"GET /v1/admin/orgs/{id}/members", directory.OrgsRead, d.members},
		{"PUT /v1/admin/orgs/{id}/members/{user_id}", directory.OrgsWrite, d.putMember},
		{"DELETE /v1/admin/orgs/{id}/members/{user_id}", directory.OrgsWrite, d.removeMember},

		{"GET /v1/admin/apis", directory.APIsRead, d.apis},
		{"POST /v1/admin/apis", directory.APIsWrite, d.createAPI},
		{"GET /v1/admin/apis/{id}", directory.APIsRead, d.api},
		{"PATCH /v1/admin/apis/{id}", directory.APIsWrite, d.updateAPI},
		{"DELETE /v1/admin/apis/{id}", directory.APIsWrite, d.deleteAPI},
		{"POST /v1/admin/apis/{id}/secrets", directory.APIsWrite, d.addAPISecret},

		{"GET /v1/admin/clients", directory.ClientsRead, d.clients},
		{"POST /v1/admin/clients", directory.ClientsWrite, d.createClient},
		{"GET /v1/admin/clients/{id}", directory.ClientsRead, d.client},
		{"PATCH /v1/admin/clients/{id}", directory.ClientsWrite, d.updateClient},
		{"DELETE /v1/admin/clients/{id}", directory.ClientsWrite, d.deleteClient},
		{"GET /v1/admin/clients/{id}/secrets", directory.ClientsRead, d.clientSecrets},
		{"POST /v1/admin/clients/{id}/secrets", directory.ClientsWrite, d.addClientSecret},
		{"DELETE /v1/admin/clients/{id}/secrets/{secret_id}", directory.ClientsWrite, d.removeClientSecret},

		{"GET /v1/admin/sessions", directory.SessionsRead, d.sessions},
		{"DELETE /v1/admin/sessions/{id}", directory.SessionsWrite, d.endSession},
		{"POST /v1/admin/revocations", directory.RevocationsWrite, d.revoke},
		{"GET /v1/admin/audit", directory.AuditRead, d.audit},
		{"GET /v1/admin/keys", directory.KeysRead, d.keys},
		{"POST /v1/admin/keys/rotate", directory.KeysWrite, d.rotateKeys},
		{"GET /v1/admin/backup", directory.Backup, d.backup},
	}
}

// Routes lists the door's patterns, for the documents that describe them.
func Routes() []string {
	var patterns []string
	for _, r := range new(Door).routes() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}

// Register adds the door's routes to mux.
func (d *Door) Register(mux *http.ServeMux) {
	for _, r := range d.routes() {
		mux.Handle(r.pattern, d.allow(r))
	}
}

// allow lets a request through to r whose caller has r's permission.
func (d *Door) allow(r route) edge.Handler {
	return func(w http.ResponseWriter, req *http.Request) error {
		actor, err := d.actor(req)
		if err != nil {
			return err
		}
		if !actor.Has(r.permission) {
			return d.refuse(req.Context(), actor, r.permission)
		}
		if req.Method != http.MethodGet {
			if _, err := query.Wait(req); err != nil {
				return err
			}
		}
		return r.handle(w, req, actor)
	}
}

// refuse answers who may not use a route. It is worth a line in the audit if an
// administrator of some kind reaches too far; users who are none could fill the
// database with such lines, and are in the access log.
func (d *Door) refuse(ctx context.Context, actor directory.Actor, permission string) error {
	if slices.ContainsFunc(actor.Permissions, func(p string) bool { return strings.HasPrefix(p, auth.ReservedPrefix) }) {
		return d.Directory.Refuse(ctx, actor, "admin.refused", permission)
	}
	return auth.Errorf(auth.CodeForbidden, "This is for administrators.")
}

func (d *Door) actor(r *http.Request) (directory.Actor, error) {
	if operator, _ := r.Context().Value(operatorKey{}).(bool); operator {
		return directory.Operator(), nil
	}
	who, err := d.Callers.Identify(r)
	if err != nil {
		return directory.Actor{}, err
	}
	return directory.Actor{ID: who.User.ID, Permissions: who.Permissions, Address: caller.From(r).Address}, nil
}

type operatorKey struct{}

// AsOperator marks requests as those of who runs the server, with every
// permission and no credential. It is for the listener on the local socket
// alone, which only the server's own account can open; nothing that a request
// says leads here.
func AsOperator(ctx context.Context) context.Context {
	return context.WithValue(ctx, operatorKey{}, true)
}

// page is the answer to a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// list answers one page of what all lists, each item as view shows it.
func list[S, T any](w http.ResponseWriter, r *http.Request, all func(context.Context, auth.Page) ([]S, string, error), view func(S) T) error {
	p, _, err := query.Page(r)
	if err != nil {
		return err
	}
	rows, next, err := all(r.Context(), p)
	if err != nil {
		return err
	}
	return writePage(w, rows, next, view)
}

func writePage[S, T any](w http.ResponseWriter, rows []S, next string, view func(S) T) error {
	items := make([]T, 0, len(rows))
	for _, row := range rows {
		items = append(items, view(row))
	}
	return edge.WriteJSON(w, http.StatusOK, page[T]{items, next})
}

// sequence answers the number in the revocation log at which an end is in
// force.
type sequence struct {
	Seq uint64 `json:"seq"`
	*revocation.Acknowledged
}

// spare is how much longer than the wait itself its connection may take.
const spare = 15 * time.Second

// done answers what ended something, after every verifier knows of it if the
// request wants to wait. Whatever becomes of that, it has ended.
func (d *Door) done(w http.ResponseWriter, r *http.Request, seq uint64, err error) error {
	if err != nil {
		return err
	}
	known, err := d.await(w, r, seq)
	if err != nil {
		return err
	}
	return edge.WriteJSON(w, http.StatusOK, sequence{seq, known})
}

// await waits for verifiers, if the request wants to.
func (d *Door) await(w http.ResponseWriter, r *http.Request, seq uint64) (*revocation.Acknowledged, error) {
	wait, _ := query.Wait(r) // allow has looked at it
	if wait <= 0 {
		return nil, nil
	}
	if err := edge.Extend(w, wait+spare); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	a, err := d.Revocations.Await(r.Context(), seq, wait)
	if err != nil {
		return nil, nil // it has ended all the same
	}
	return &a, nil
}

// ended is what the answer to a change says of what the change has ended.
type ended struct {
	Seq uint64 `json:"seq,omitzero"` // 0: nothing
	*revocation.Acknowledged
}

// showChanged answers one thing that was changed, which may have ended something:
// as done does that, and as show does the thing.
func showChanged[S, T any](d *Door, w http.ResponseWriter, r *http.Request, row S, seq uint64, err error, view func(S, ended) T) error {
	if err != nil {
		return err
	}
	e := ended{Seq: seq}
	if seq != 0 {
		if e.Acknowledged, err = d.await(w, r, seq); err != nil {
			return err
		}
	}
	return edge.WriteJSON(w, http.StatusOK, view(row, e))
}

// gone answers what removed something that nobody held anything of.
func gone(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// show answers one thing.
func show[S, T any](w http.ResponseWriter, status int, row S, err error, view func(S) T) error {
	if err != nil {
		return err
	}
	return edge.WriteJSON(w, status, view(row))
}
