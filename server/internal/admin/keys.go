package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/query"
	"github.com/writ-auth/writ/server/internal/keyring"
)

// Keyring lists and changes the server's keys.
type Keyring interface {
	Rotate(ctx context.Context, alg jwk.Algorithm, ev auth.Event) (keyring.Announced, error)
	Compromised(ctx context.Context, kid string, ev auth.Event) (uint64, keyring.Announced, error)
	AllCompromised(ctx context.Context, ev auth.Event) (keyring.Replaced, error)
}

// keys lists the signing keys, the newest first: they are few, so one page
// holds them all.
func (d *Door) keys(w http.ResponseWriter, r *http.Request, _ directory.Actor) error {
	if _, err := query.Read(r); err != nil {
		return err
	}
	rows, err := d.Keys.Keys(r.Context())
	if err != nil {
		return err
	}
	var signing []auth.Key
	for _, k := range rows {
		if k.Purpose == auth.KeySign {
			signing = append(signing, k)
		}
	}
	return writePage(w, signing, "", viewKey)
}

// rotated answers which key signs, and from when.
type rotated struct {
	KID       string        `json:"kid"`
	Algorithm jwk.Algorithm `json:"algorithm"`
	SignsFrom time.Time     `json:"signs_from"`
	ended
	Keys       []rotated        `json:"keys,omitempty"`        // after "all": the new key of each algorithm
	APISecrets []apiSecretShown `json:"api_secrets,omitempty"` // after "all": shown once
}

type apiSecretShown struct {
	Audience  string    `json:"audience"`
	Secret    string    `json:"secret"`
	KID       string    `json:"secret_kid"`
	SignsFrom time.Time `json:"signs_from"`
}

func viewRotated(a keyring.Announced) rotated {
	return rotated{KID: a.KID, Algorithm: a.Algorithm, SignsFrom: a.SignsFrom.UTC()}
}

// rotateKeys announces the next key of an algorithm, or ends a compromised one
// at once. To end all takes the permission to change APIs too: it ends their
// secrets, and shows the new ones, under which to make tokens for them.
func (d *Door) rotateKeys(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in struct {
		Algorithm   jwk.Algorithm `json:"algorithm"`
		Compromised string        `json:"compromised"`
	}
	if _, err := edge.ReadOptionalJSON(w, r, &in); err != nil {
		return err
	}
	var out rotated
	var err error
	switch {
	case in.Compromised != "" && in.Algorithm != "":
		return auth.Invalid("algorithm", "send either algorithm or compromised")
	case in.Compromised == "all" && !actor.Has(directory.APIsWrite):
		return d.refuse(r.Context(), actor, directory.APIsWrite)
	case in.Compromised == "all":
		out, err = d.allCompromised(r.Context(), actor)
	case in.Compromised != "":
		out, err = d.compromised(r.Context(), actor, in.Compromised)
	default:
		out, err = d.announce(r.Context(), actor, in.Algorithm)
	}
	if err == nil && out.Seq != 0 {
		out.Acknowledged, err = d.await(w, r, out.Seq)
	}
	if err != nil {
		return err
	}
	return edge.WriteJSON(w, http.StatusAccepted, out)
}

func (d *Door) announce(ctx context.Context, actor directory.Actor, alg jwk.Algorithm) (rotated, error) {
	if alg != "" && !known(alg) {
		return rotated{}, auth.Invalid("algorithm", "algorithm must be one of %v", directory.Algorithms())
	}
	ev := by(actor)
	ev.Action, ev.Reason = "key.announce", "by hand"
	next, err := d.Keyring.Rotate(ctx, alg, ev)
	return viewRotated(next), err
}

func known(alg jwk.Algorithm) bool {
	for _, a := range directory.Algorithms() {
		if a == alg {
			return true
		}
	}
	return false
}

func (d *Door) compromised(ctx context.Context, actor directory.Actor, kid string) (rotated, error) {
	ev := by(actor)
	ev.Action, ev.Reason = "key.compromised", "compromised"
	seq, next, err := d.Keyring.Compromised(ctx, kid, ev)
	if errors.Is(err, auth.ErrNotFound) {
		return rotated{}, auth.Errorf(auth.CodeNotFound, "No key with this kid is published.")
	}
	out := viewRotated(next)
	out.Seq = seq
	return out, err
}

// allCompromised ends every key. Its answer shows the new secrets of APIs, once.
func (d *Door) allCompromised(ctx context.Context, actor directory.Actor) (rotated, error) {
	ev := by(actor)
	ev.Action, ev.Reason = "key.compromised", "all compromised"
	done, err := d.Keyring.AllCompromised(ctx, ev)
	if err != nil {
		return rotated{}, err
	}
	out := rotated{ended: ended{Seq: done.Seq}}
	for _, next := range done.Keys {
		out.Keys = append(out.Keys, viewRotated(next))
	}
	if len(out.Keys) > 0 {
		out.KID, out.Algorithm, out.SignsFrom = out.Keys[0].KID, out.Keys[0].Algorithm, out.Keys[0].SignsFrom
	}
	for _, s := range done.Secrets {
		out.APISecrets = append(out.APISecrets, apiSecretShown{s.Audience, s.Text, s.KID, s.SignsFrom.UTC()})
	}
	return out, nil
}

func viewSecret(s directory.NewSecret) apiSecretShown {
	return apiSecretShown{Audience: s.Audience, Secret: s.Text, KID: s.KID, SignsFrom: s.SignsFrom.UTC()}
}

// addAPISecret makes a second shared secret, which signs after a while.
func (d *Door) addAPISecret(w http.ResponseWriter, r *http.Request, actor directory.Actor) error {
	var in struct {
		SignsIn int64 `json:"signs_in"` // seconds
	}
	if _, err := edge.ReadOptionalJSON(w, r, &in); err != nil {
		return err
	}
	secret, err := d.Directory.AddAPISecret(r.Context(), actor, r.PathValue("id"), time.Duration(in.SignsIn)*time.Second)
	if err != nil {
		return err
	}
	return edge.WriteJSON(w, http.StatusCreated, viewSecret(secret))
}
