package main

import (
	"log"
	"net/http"
)

// logout ends the session here, and goes on to where it ends everywhere
// (OpenID Connect RP-Initiated Logout 1.0).
func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	id := cookie(r, sessionCookie)
	in, ok := a.sessions.get(id)
	a.sessions.end(id)
	a.setCookie(w, sessionCookie, "", -1)
	if !ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, a.issuer.endSessionURL(in.tokens.ID, a.origin+"/"), http.StatusSeeOther)
}

// backchannelLogout is how the issuer says that a sign-in is over, whoever ended
// it (OpenID Connect Back-Channel Logout 1.0, section 2.5). A token that is sent
// a second time ends what is over already.
func (a *app) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	sid, err := a.issuer.ended(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		log.Printf("back-channel log-out: %v", err)
		http.Error(w, `{"error":"invalid_request"}`, http.StatusBadRequest)
		return
	}
	log.Printf("back-channel log-out: ended %d sessions", a.sessions.endAll(sid))
}
