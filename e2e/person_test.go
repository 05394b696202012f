package e2e

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// person is somebody at a browser without scripts: it keeps Writ's cookies,
// follows redirects as long as they stay at Writ, and fills in each form that it
// meets there on the way.
type person struct {
	t               testing.TB
	issuer          *url.URL
	client          *http.Client
	login, password string
	code            string   // what a device shows
	forms           []string // the actions of the forms that were filled in
}

func (s *server) person(login string) *person {
	s.t.Helper()
	issuer, err := url.Parse(s.url(""))
	if err != nil {
		s.t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &person{t: s.t, issuer: issuer, login: login, password: adminPassword, client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// visit opens an address of Writ, and answers where the browser is sent in the
// end: to another origin, or nowhere any more, with the last page's text.
func (p *person) visit(address string) (back *url.URL, page string) {
	p.t.Helper()
	p.forms = nil
	at, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	var form url.Values
	for range 20 {
		res, text := p.send(at, form)
		switch {
		case res.StatusCode == http.StatusSeeOther:
			if at, err = res.Location(); err != nil {
				p.t.Fatal(err)
			}
			form = nil
			if at.Host != p.issuer.Host {
				return at, text
			}
			continue
		case res.StatusCode != http.StatusOK:
			p.t.Fatalf("%s: %d: %s", at, res.StatusCode, text)
		}
		next, fields := p.fill(text)
		if next == "" {
			return nil, text
		}
		p.forms = append(p.forms, next)
		if at, err = at.Parse(next); err != nil {
			p.t.Fatal(err)
		}
		if form = fields; at.Host != p.issuer.Host { // form_post
			at.RawQuery = form.Encode()
			return at, text
		}
	}
	p.t.Fatalf("no end of %s: %v", address, p.forms)
	return nil, ""
}

// send gets a page, or posts a form as the page with it would.
func (p *person) send(at *url.URL, form url.Values) (*http.Response, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, at.String(), nil)
	if form != nil {
		req, err = http.NewRequestWithContext(p.t.Context(), http.MethodPost, at.String(), strings.NewReader(form.Encode()))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", fmt.Sprintf("%s://%s", p.issuer.Scheme, p.issuer.Host))
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res, string(text)
}

var (
	formElement  = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)".*?</form>`)
	inputElement = regexp.MustCompile(`<(?:input|button)[^>]*\bname="([^"]*)"[^>]*>`)
	valueOf      = regexp.MustCompile(`\bvalue="([^"]*)"`)
)

// fill fills in the first form of a page that posts: hidden fields as they are,
// what is asked for, and the button that agrees. "": there is none.
func (p *person) fill(page string) (action string, fields url.Values) {
	form := formElement.FindStringSubmatch(page)
	if form == nil {
		return "", nil
	}
	fields = url.Values{}
	for _, input := range inputElement.FindAllStringSubmatch(form[0], -1) {
		name, value := input[1], ""
		if v := valueOf.FindStringSubmatch(input[0]); v != nil {
			value = html.UnescapeString(v[1])
		}
		switch name {
		case "login":
			value = p.login
		case "password":
			value = p.password
		case "user_code":
			value = p.code
		}
		if !fields.Has(name) { // of two buttons, the first
			fields.Set(name, value)
		}
	}
	return html.UnescapeString(form[1]), fields
}
