// Package view renders the pages that people see: templates, one style sheet
// and one script, all embedded. Doors choose a page and fill it; the headers
// that keep a page from being framed, cached or made to run somebody else's
// script are the same for all and set here.
package view

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

//go:embed pages/*.html
var pages embed.FS

//go:embed assets
var assets embed.FS

// Name is a page.
type Name string

// The pages.
const (
	SignIn    Name = "signin"
	SignedIn  Name = "signedin"
	Consent   Name = "consent"
	Logout    Name = "logout"
	SignedOut Name = "signedout"
	Failed    Name = "failed"
	Send      Name = "send" // an answer on its way to a client, as a form
)

// View renders pages. It is safe for concurrent use.
type View struct {
	pages  map[Name]*template.Template
	assets map[string]asset // by path
	style  string           // the path of the style sheet
	script string
}

type asset struct {
	kind string
	body []byte
}

// New reads the templates.
func New() (*View, error) {
	v := &View{pages: map[Name]*template.Template{}, assets: map[string]asset{}}
	for _, name := range []Name{SignIn, SignedIn, Consent, Logout, SignedOut, Failed, Send} {
		t, err := template.ParseFS(pages, "pages/layout.html", "pages/"+string(name)+".html")
		if err != nil {
			return nil, err
		}
		v.pages[name] = t
	}
	var err1, err2 error
	v.style, err1 = v.load("style.css", "text/css; charset=utf-8")
	v.script, err2 = v.load("send.js", "text/javascript; charset=utf-8")
	if err1 != nil {
		return nil, err1
	}
	return v, err2
}

// load puts a file under a path with its hash in it, so that browsers may keep
// it for ever.
func (v *View) load(name, kind string) (string, error) {
	body, err := fs.ReadFile(assets, "assets/"+name)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	at := "/assets/" + base64url.Encode(sum[:9]) + "/" + name
	v.assets[at] = asset{kind, body}
	return at, nil
}

// Route is the pattern of the files that pages refer to.
const Route = "GET /assets/{hash}/{name}"

// ServeAsset answers a file that pages refer to.
func (v *View) ServeAsset(w http.ResponseWriter, r *http.Request) error {
	a, ok := v.assets[path.Clean(r.URL.Path)]
	if !ok {
		return auth.Errorf(auth.CodeNotFound, "There is nothing at this address.")
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, err := w.Write(a.body)
	return err
}

// Page is a page and what it shows.
type Page struct {
	Name  Name
	Title string
	Data  any
	// Targets are addresses besides our own to which a form of the page leads,
	// also by a redirect: browsers refuse to follow it otherwise.
	Targets []string
}

// filled is what templates see.
type filled struct {
	Title, Style, Script string
	Data                 any
}

// Show answers with a page. It is rendered first, so that an error leaves no
// half of it behind.
func (v *View) Show(w http.ResponseWriter, status int, p Page) error {
	var body bytes.Buffer
	f := filled{Title: p.Title, Style: v.style, Script: v.script, Data: p.Data}
	if err := v.pages[p.Name].ExecuteTemplate(&body, "layout", f); err != nil {
		return fmt.Errorf("page %s: %w", p.Name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy(p))
	w.WriteHeader(status)
	_, err := body.WriteTo(w)
	return err
}

// Fail is the Show of edge.PageHandler.
func (v *View) Fail(w http.ResponseWriter, r *http.Request, status int, e *auth.Error) {
	// What can't be rendered has no page to say so; the log has the error.
	_ = v.Show(w, status, Page{Name: Failed, Title: "This did not work", Data: failure{e.Message, edge.RequestID(r)}})
}

type failure struct{ Message, Request string }

// policy allows our own style sheet and, on the one page that needs it, our own
// script; forms lead to ourselves and to the named targets.
func policy(p Page) string {
	script := ""
	if p.Name == Send {
		script = "script-src 'self'; "
	}
	forms := "'self'"
	for _, target := range p.Targets {
		if source := sourceOf(target); source != "" {
			forms += " " + source
		}
	}
	return "default-src 'none'; style-src 'self'; " + script + "form-action " + forms + "; frame-ancestors 'none'; base-uri 'none'"
}

// plainHost says that a host has none of the characters that mean something in
// a policy.
func plainHost(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(".-:", c))
	})
}

// sourceOf is the origin of an address as a policy names it; the scheme alone
// for what has no host to name. It is "" for an address that was not checked.
func sourceOf(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Scheme == "" {
		return ""
	}
	if (u.Scheme == "https" || u.Scheme == "http") && plainHost(u.Host) {
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + ":" // an IPv6 literal is no host source (CSP 3, section 2.3.1)
}
