package page

import (
	"errors"
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/credential"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/session"
)

// signUpView is what the page of signing up shows.
type signUpView struct {
	Application, Host string // who waits; "": nobody
	Ticket            string
	Email, Person     string // what was typed
	Problem           string
	Least             int // characters of a password
}

func (d *Door) showSignUp(w http.ResponseWriter, r *http.Request) error {
	form, req, err := d.query(r)
	if err != nil {
		return err
	}
	if !d.Signup {
		return auth.Errorf(auth.CodeSignupDisabled, "Signing up is turned off here; ask an administrator for an account.")
	}
	return d.showSignUpForm(w, r, http.StatusOK, req, signUpView{Ticket: form["ticket"]})
}

func (d *Door) showSignUpForm(w http.ResponseWriter, r *http.Request, status int, req *authorization.Request, shows signUpView) error {
	if req != nil {
		edge.KeepOpener(w)
		shows.Application, shows.Host = view.NameOf(req.Client.Client), view.HostOf(req.RedirectURI)
	}
	shows.Least = credential.MinCharacters
	return d.View.Show(w, r, status, view.Page{Name: view.SignUp, Locales: locales(req), Targets: target(req), Data: shows})
}

// signUp makes an account by the rules of POST /v1/signup, and signs its owner
// in.
func (d *Door) signUp(w http.ResponseWriter, r *http.Request) error {
	in, err := d.read(w, r)
	if err != nil {
		return err
	}
	email, password := in.Form["email"], in.Form["password"]
	if email == "" {
		err = auth.Invalid("email", "Type your e-mail address.")
	} else {
		_, err = d.Directory.Signup(r.Context(), directory.SignupFields{Email: email, Name: in.Form["name"], Password: password},
			caller.From(r).Address)
	}
	if err != nil {
		status, problem := d.View.Refusal(w, r, locales(in.req), err)
		if problem == "" {
			return err
		}
		return d.showSignUpForm(w, r, status, in.req, signUpView{Ticket: in.Form["ticket"], Email: email, Person: in.Form["name"], Problem: problem})
	}
	if err := d.enter(w, r, email, password, in.cookie); err != nil {
		return err
	}
	return d.onward(w, in.req)
}

// passwordView is what the page shows on which a password has to be changed.
type passwordView struct {
	Ticket, Change, Login, Problem string
	Least                          int
}

func (d *Door) showPassword(w http.ResponseWriter, r *http.Request, status int, req *authorization.Request, shows passwordView) error {
	if req != nil {
		edge.KeepOpener(w)
	}
	shows.Least = credential.MinCharacters
	return d.View.Show(w, r, status, view.Page{Name: view.Password, Locales: locales(req), Targets: target(req), Data: shows})
}

// changeToken is what a sign-in gets whose password must be changed first; "" of
// any other.
func changeToken(err error) string {
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != auth.CodePasswordChange {
		return ""
	}
	token, _ := e.Data["password_change_token"].(string)
	return token
}

// changePassword changes a password that has to be, and signs its owner in.
func (d *Door) changePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := d.read(w, r)
	if err != nil {
		return err
	}
	user, err := d.Sessions.ByChangeToken(r.Context(), in.Form["change"])
	if err != nil { // too old, or used: the new password may be good already
		if view.Shown(err) == nil {
			return err
		}
		return d.refuse(w, r, in, &auth.Error{Code: auth.CodeInvalid, Field: "change", Err: err,
			Message: "This took too long, or the password is changed already. Sign in again."})
	}
	if err := d.replacePassword(r, user, in.Form); err != nil {
		status, problem := d.View.Refusal(w, r, locales(in.req), err)
		if problem == "" {
			return err
		}
		return d.showPassword(w, r, status, in.req, passwordView{
			Ticket: in.Form["ticket"], Change: in.Form["change"], Login: in.Form["login"], Problem: problem})
	}
	if err := d.enter(w, r, loginOf(user), in.Form["new"], in.cookie); err != nil {
		return d.showChanged(w, r, in, loginOf(user), err)
	}
	return d.onward(w, in.req)
}

// showChanged is for whoever has changed a password and can't be signed in with
// the new one by ourselves: others may have failed so often at this account that
// everybody must wait. A page that said no more than that would look as if the
// old password still were good.
func (d *Door) showChanged(w http.ResponseWriter, r *http.Request, in filled, login string, err error) error {
	status, problem := d.View.Refusal(w, r, locales(in.req), err)
	if problem == "" {
		return err
	}
	changed := d.View.Problem(r, locales(in.req), auth.Invalid("changed", "Your password was changed, and every session has ended. Sign in with the new one."))
	return d.showForm(w, r, status, in.req, signInView{Ticket: in.Form["ticket"], Login: login, Problem: changed + " " + problem})
}

// replacePassword changes a password as a form says. The person is known, so that
// what is wrong can only be the current password.
func (d *Door) replacePassword(r *http.Request, u auth.User, form edge.Form) error {
	_, err := d.Sessions.ChangePassword(r.Context(), session.PasswordChange{
		Request: caller.From(r), User: u, Current: form["current"], New: form["new"]})
	var e *auth.Error
	if errors.As(err, &e) && e.Code == auth.CodeInvalidCredentials {
		return &auth.Error{Code: e.Code, Field: "current", Message: e.Message, Err: err}
	}
	return err
}

// loginOf is what a person types to sign in.
func loginOf(u auth.User) string {
	if u.Email != "" {
		return u.Email
	}
	return u.Username
}
