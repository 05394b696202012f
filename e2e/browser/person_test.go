package browser

import "strings"

// What a person does at a page, by the driver's commands.

// arrive waits until the tab is at an address that the expression matches.
func (b *tab) arrive(pattern string) (v visit) {
	b.t.Helper()
	b.do(map[string]any{"do": "arrive", "tab": b.id, "pattern": pattern}, &v)
	return v
}

// popup runs a script that opens a window.
func (b *tab) popup(function string, arg any) *tab {
	b.t.Helper()
	opened := &tab{profile: b.profile}
	b.do(map[string]any{"do": "popup", "tab": b.id, "text": function, "arg": arg}, &opened.id)
	return opened
}

// submit fills in fields, by selector, and presses a button.
func (b *tab) submit(button string, fields map[string]string) (v visit) {
	b.t.Helper()
	b.do(map[string]any{"do": "submit", "tab": b.id, "fields": fields, "button": button}, &v)
	return v
}

// leaveWindow presses a button with which the window closes in the end.
func (b *tab) leaveWindow(button string) {
	b.t.Helper()
	b.do(map[string]any{"do": "leaveWindow", "tab": b.id, "button": button}, nil)
}

// text is what the page shows.
func (b *tab) text() (text string) {
	b.t.Helper()
	b.do(map[string]any{"do": "text", "tab": b.id}, &text)
	return text
}

// shows fails the test unless the page shows a text.
func (b *tab) shows(want string) *tab {
	b.t.Helper()
	if got := b.text(); !strings.Contains(got, want) {
		b.t.Fatalf("the page shows %q, want %q", got, want)
	}
	return b
}

// closed waits until the browser has closed the tab.
func (b *tab) closed() {
	b.t.Helper()
	b.do(map[string]any{"do": "closed", "tab": b.id}, nil)
}

// signInHere fills in Writ's page of signing in.
func (b *tab) signInHere(email, password string) visit {
	b.t.Helper()
	return b.submit(signInButton, map[string]string{"#login": email, "#password": password})
}

const (
	signInButton = `form:has(#password) button[type=submit]`
	allowButton  = `button[name=answer][value=allow]`
)
