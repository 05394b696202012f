package view

import (
	"errors"
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

// Shown is the error of a request as its page says it; nil if it is internal.
func Shown(err error) *auth.Error {
	var e *auth.Error
	if errors.As(err, &e) && edge.Status(e.Code) != http.StatusInternalServerError {
		return e
	}
	return nil
}

// Refusal is what a form says of an error when it is shown again, and with which
// status; "" if that is not the person's to know. locales are as in [Page].
func (v *View) Refusal(w http.ResponseWriter, r *http.Request, locales string, err error) (status int, text string) {
	e := Shown(err)
	if e == nil {
		return 0, ""
	}
	status = edge.Status(e.Code)
	if status == http.StatusUnauthorized || e.Code == auth.CodeInvalid {
		status = http.StatusUnprocessableEntity // a form to be filled in anew; 401 would ask for another credential
	}
	edge.RetryAfter(w.Header(), e)
	return status, v.Problem(r, locales, e)
}
