package api

import (
	"net/http"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

// headerVerifier names an instance of a verifier among all that have the same
// credentials: 128 random bits in base64url, for as long as it lives.
const headerVerifier = "Writ-Verifier"

// client answers the client whose credentials a request has.
func (d *Door) client(r *http.Request) (id string, known bool) {
	if d.Verifier == nil || r.Header.Get("Authorization") == "" {
		return "", false
	}
	return d.Verifier(r)
}

// instanceOf answers which instance of a verifier sends a request, "" if it
// doesn't say.
func instanceOf(r *http.Request) (string, error) {
	values := r.Header.Values(headerVerifier)
	if len(values) == 0 {
		return "", nil
	}
	if raw, err := base64url.Decode(values[0]); err != nil || len(raw) != 16 || len(values) > 1 {
		return "", auth.Invalid(headerVerifier, "%s must be 128 random bits, 22 characters of base64url", headerVerifier)
	}
	return values[0], nil
}

// verifierName is an instance of a client's. Nobody can speak for another
// client's.
func verifierName(client, instance string) string { return instance + " " + client }

// acknowledge notes that a verifier has applied the log up to a number. Only one
// with credentials counts, since a revocation may wait for it.
func (d *Door) acknowledge(w http.ResponseWriter, r *http.Request) error {
	client, known := d.client(r)
	if !known {
		return auth.Errorf(auth.CodeUnauthenticated, "Acknowledgements need the credentials of a client.")
	}
	instance, err := instanceOf(r)
	if err != nil {
		return err
	}
	if instance == "" {
		return auth.Invalid(headerVerifier, "%s is missing", headerVerifier)
	}
	var in struct {
		Log string `json:"log"`
		Seq uint64 `json:"seq"`
	}
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	if err := d.Revocations.Acknowledge(r.Context(), verifierName(client, instance), in.Log, in.Seq); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
