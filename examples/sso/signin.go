package main

import (
	"cmp"
	"context"
	"html/template"
	"io"
	"log"
	"net/http"
	"time"
)

// The cookies: of a session, and of a sign-in that has begun in this browser.
// With https their names begin with __Host- and they are Secure.
const (
	sessionCookie = "app_session"
	signInCookie  = "app_signin"
)

func (a *app) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// page is what the one page shows.
type page struct {
	App, Person, Says string
	Over              bool // the API takes the token no more
}

func (a *app) template() *template.Template {
	return template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.App}}</title>
<main><h1>{{.App}}</h1>
{{if .Over}}<p>Your sign-in is over.</p>{{end}}
{{if .Person}}<p>You are signed in as <strong>{{.Person}}</strong>.</p><p>{{.Says}}</p>
<form method="post" action="/logout"><button>Sign out</button></form>
{{else}}<p>You are not signed in.</p><p><a href="/signin">Sign in</a></p>{{end}}</main>`))
}

// home shows who is signed in, and what the API says to them.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	shows := page{App: a.name}
	id := cookie(r, sessionCookie)
	if in, ok := a.sessions.get(id); ok {
		status, says, err := a.callAPI(r.Context(), in.tokens.Access)
		switch {
		case err != nil || status == http.StatusServiceUnavailable:
			shows.Person, shows.Says = in.name, "The API does not answer."
		case status == http.StatusOK:
			shows.Person, shows.Says = in.name, says
		default: // signed out elsewhere, or too long ago
			a.sessions.end(id)
			shows.Over = true
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' "+a.issuer.Issuer)
	if err := a.template().Execute(w, shows); err != nil {
		log.Print(err)
	}
}

// callAPI calls this application's API as any of its clients would.
func (a *app) callAPI(ctx context.Context, token string) (status int, says string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.listen+"/api/hello", nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := a.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	return res.StatusCode, string(text), err
}

// signIn sends the browser to the issuer. The cookie ties the answer to this
// browser: nobody can be signed in as somebody else by a link.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	p := a.sessions.begin()
	a.setCookie(w, signInCookie, p.state, signInTime)
	http.Redirect(w, r, a.issuer.authorizationURL(p), http.StatusSeeOther)
}

// callback takes the issuer's answer. iss says whose it is, so that an
// application with two issuers can't be made to mix them up (RFC 9207).
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p, ok := a.sessions.take(q.Get("state"))
	if !ok || !same(cookie(r, signInCookie), p.state) || q.Get("iss") != a.issuer.Issuer {
		http.Error(w, "This sign-in was not begun here. Go back and sign in again.", http.StatusBadRequest)
		return
	}
	a.setCookie(w, signInCookie, "", -1)
	if q.Get("code") == "" {
		http.Error(w, "You have not been signed in.", http.StatusForbidden)
		return
	}
	tokens, who, err := a.issuer.redeem(r.Context(), q.Get("code"), p)
	if err != nil {
		log.Printf("sign-in: %v", err)
		http.Error(w, "The sign-in did not work. Try again.", http.StatusBadGateway)
		return
	}
	a.setCookie(w, sessionCookie, a.sessions.add(session{name: cmp.Or(who.Name, who.Email, who.Subject), sid: who.SessionID, tokens: tokens}), sessionTime)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
