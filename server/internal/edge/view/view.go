// Package view renders the pages that people see: templates, one style sheet
// and one script, all embedded. Doors choose a page and fill it; the headers
// that keep a page from being framed, cached or made to run somebody else's
// script are the same for all and set here.
package view

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"errors"
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
	SignUp    Name = "signup"
	Password  Name = "password" // must be changed before a sign-in
	Account   Name = "account"
	Consent   Name = "consent"
	Logout    Name = "logout"
	SignedOut Name = "signedout"
	Failed    Name = "failed"
	Send      Name = "send" // an answer on its way to a client, as a form

	Device        Name = "device"    // where the code of a device is typed
	DeviceAsk     Name = "deviceask" // whether it is allowed
	DeviceAllowed Name = "deviceallowed"
	DeviceRefused Name = "devicerefused"
)

// View renders pages. It is safe for concurrent use.
type View struct {
	pages  map[string]map[Name]*template.Template // by language
	tables map[string]table
	theme  Theme
	logo   string           // the path of the logo; "": none
	assets map[string]asset // by path
	style  string           // the path of the style sheet
	script string
}

type asset struct {
	kind string
	body []byte
}

// New reads the templates. The error names what is wrong with the theme.
func New(theme Theme) (*View, error) {
	v := &View{pages: map[string]map[Name]*template.Template{}, tables: map[string]table{}, assets: map[string]asset{}}
	for _, language := range Languages() {
		if err := v.read(language); err != nil {
			return nil, err
		}
	}
	style, err1 := fs.ReadFile(assets, "assets/style.css")
	script, err2 := fs.ReadFile(assets, "assets/send.js")
	colours, err3 := theme.colours()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	v.style = v.keep("style.css", "text/css; charset=utf-8", append(style, colours...))
	v.script = v.keep("send.js", "text/javascript; charset=utf-8", script)
	v.theme = theme
	if theme.Name == "" {
		v.theme.Name = "Writ"
	}
	if len(theme.Logo) > 0 {
		name, kind, err := theme.logo()
		if err != nil {
			return nil, err
		}
		v.logo = v.keep(name, kind, theme.Logo)
	}
	return v, nil
}

// read reads the pages in one language.
func (v *View) read(language string) error {
	t, err := readTable(language)
	if err != nil {
		return err
	}
	v.tables[language], v.pages[language] = t, map[Name]*template.Template{}
	for _, name := range names() {
		p, err := template.New("").Funcs(t.functions()).ParseFS(pages, "pages/layout.html", "pages/"+string(name)+".html")
		if err != nil {
			return err
		}
		v.pages[language][name] = p
	}
	return nil
}

func names() []Name {
	return []Name{SignIn, SignedIn, SignUp, Password, Account, Consent, Logout, SignedOut, Failed, Send,
		Device, DeviceAsk, DeviceAllowed, DeviceRefused}
}

// keep puts a file under a path with its hash in it, so that browsers may keep
// it for ever.
func (v *View) keep(name, kind string, body []byte) (at string) {
	sum := sha256.Sum256(body)
	at = "/assets/" + base64url.Encode(sum[:9]) + "/" + name
	v.assets[at] = asset{kind, body}
	return at
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
	Name Name
	// Title is the heading: by default the message called as the page, with
	// ".title".
	Title string
	Data  any
	// Locales are the languages that an application asks for (ui_locales); "":
	// the browser's.
	Locales string
	// Targets are addresses besides our own to which a form of the page leads,
	// also by a redirect: browsers refuse to follow it otherwise.
	Targets []string
}

// filled is what templates see.
type filled struct {
	Language, Title, Brand, Logo, Style, Script string
	Data                                        any
}

// Show answers with a page. It is rendered first, so that an error leaves no
// half of it behind.
func (v *View) Show(w http.ResponseWriter, r *http.Request, status int, p Page) error {
	var body bytes.Buffer
	speaks := language(r, p.Locales)
	f := filled{Language: speaks, Title: p.Title, Brand: v.theme.Name, Logo: v.logo, Style: v.style, Script: v.script, Data: p.Data}
	if f.Title == "" {
		f.Title = v.tables[speaks][string(p.Name)+".title"]
	}
	if err := v.pages[speaks][p.Name].ExecuteTemplate(&body, "layout", f); err != nil {
		return fmt.Errorf("page %s: %w", p.Name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", speaks)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy(p, v.logo != ""))
	w.WriteHeader(status)
	_, err := body.WriteTo(w)
	return err
}

// Fail is the Show of edge.PageHandler.
func (v *View) Fail(w http.ResponseWriter, r *http.Request, status int, e *auth.Error) {
	// What can't be rendered has no page to say so; the log has the error.
	_ = v.Show(w, r, status, Page{Name: Failed, Data: failure{v.Problem(r, "", e), edge.RequestID(r)}})
}

type failure struct{ Message, Request string }

// policy allows our own style sheet, the logo if there is one, and, on the one
// page that needs it, our own script; forms lead to ourselves and to the named targets.
func policy(p Page, logo bool) string {
	more := ""
	if logo {
		more = "img-src 'self'; "
	}
	if p.Name == Send {
		more += "script-src 'self'; "
	}
	forms := "'self'"
	for _, target := range p.Targets {
		if source := sourceOf(target); source != "" {
			forms += " " + source
		}
	}
	return "default-src 'none'; style-src 'self'; " + more + "form-action " + forms + "; frame-ancestors 'none'; base-uri 'none'"
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
