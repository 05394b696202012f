package oauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// problem is what a page says went wrong.
func (a *answer) problem(status int) string {
	a.t.Helper()
	_, after, found := strings.Cut(a.text, `<p class="problem" role="alert" id="problem">`)
	text, _, _ := strings.Cut(after, "</p>")
	if a.status != status || !found {
		a.t.Errorf("%s: status %d, want %d and a problem: %s", a.what, a.status, status, a.text)
	}
	return text
}

// TestProblems: what is wrong with a form is said in sentences, in the person's
// language, and to the point.
func TestProblems(t *testing.T) {
	s := start(t)
	s.person()
	b := s.browser()
	b.post("/login", "login", ada, "password", password).to()
	signUp := func(email, name, pass string) string {
		return form("email", email, "name", name, "password", pass)
	}
	change := func(current, next string) string { return form("current", current, "new", next) }
	for _, c := range []struct {
		path, body      string
		status          int
		english, german string
	}{
		{"/signup", signUp("eve@example.com", "", "1234567"), 422,
			"This password is too short. Take one of at least 8 characters.",
			"Dieses Passwort ist zu kurz. Nehmen Sie eines mit mindestens 8 Zeichen."},
		{"/signup", signUp("eve@example.com", "", strings.Repeat("x", 1025)), 422,
			"This password is too long. Take one of at most 1024 characters; some letters count twice or more.",
			"Dieses Passwort ist zu lang. Nehmen Sie eines mit höchstens 1024 Zeichen; manche Buchstaben zählen mehrfach."},
		{"/signup", signUp("eve@example.com", "", "12345678\x00"), 422,
			"This password has a character in it that can&#39;t be used.",
			"Dieses Passwort enthält ein Zeichen, das nicht geht."},
		{"/signup", signUp("eve@example.com", "", "Password1"), 422,
			"This password is one of the first that anybody would try. Take another one, such as several words that have nothing to do with each other.",
			"Dieses Passwort würde jeder zuerst versuchen. Nehmen Sie ein anderes, etwa mehrere Wörter, die nichts miteinander zu tun haben."},
		{"/signup", signUp("eve@example.com", "Evelina Doe", "evelina doe"), 422,
			"This password is one of the first that anybody would try. Take another one, such as several words that have nothing to do with each other.",
			"Dieses Passwort würde jeder zuerst versuchen. Nehmen Sie ein anderes, etwa mehrere Wörter, die nichts miteinander zu tun haben."},
		{"/signup", signUp(ada, "", password), 409,
			"There is an account with this e-mail address already. Sign in, or take another address.",
			"Mit dieser E-Mail-Adresse gibt es schon ein Konto. Melden Sie sich an, oder nehmen Sie eine andere Adresse."},
		{"/signup", signUp("nothing", "", password), 422,
			"Type your e-mail address, such as ada@example.com.",
			"Geben Sie Ihre E-Mail-Adresse ein, zum Beispiel ada@example.com."},
		{"/account/profile", form("name", strings.Repeat("x", 300)), 422,
			"This name can&#39;t be used: it is too long, or has control characters in it.",
			"Dieser Name geht nicht: Er ist zu lang oder enthält Steuerzeichen."},
		{"/account/password", change(password, "short"), 422,
			"This password is too short. Take one of at least 8 characters.",
			"Dieses Passwort ist zu kurz. Nehmen Sie eines mit mindestens 8 Zeichen."},
		{"/account/password", change(password, ada), 422,
			"This password is one of the first that anybody would try. Take another one, such as several words that have nothing to do with each other.",
			"Dieses Passwort würde jeder zuerst versuchen. Nehmen Sie ein anderes, etwa mehrere Wörter, die nichts miteinander zu tun haben."},
		{"/account/password", change(password, password), 422,
			"The new password must differ from the current one.",
			"Das neue Passwort muss anders sein als das bisherige."},
		{"/account/password", change("wrong", "long enough"), 422,
			"The current password is wrong.",
			"Das bisherige Passwort ist falsch."},
		{"/account/session", form("id", "ses_AAAAAAAAAAAAAAAAAAAAAA"), 404,
			"No such session.",
			"Das gibt es nicht, oder nicht mehr."},
		{"/login", form("login", ada, "password", "wrong"), 422,
			"The user or the password is wrong.",
			"Benutzer oder Passwort ist falsch."},
	} {
		for language, want := range map[string]string{"en": c.english, "de": c.german} {
			got := b.send("POST", c.path, c.body, header("Accept-Language", language)).problem(c.status)
			if got != want {
				t.Errorf("%s %.60q in %s: %q, want %q", c.path, c.body, language, got, want)
			}
		}
	}
}

// TestProblemOfTooMany: who must wait is told how long, as Retry-After tells
// programs.
func TestProblemOfTooMany(t *testing.T) {
	s := start(t)
	s.person()
	guess := func(language string) *answer {
		t.Helper()
		return s.browser().send("POST", "/login", form("login", ada, "password", "wrong"), header("Accept-Language", language))
	}
	for range 10 {
		guess("en").problem(422)
	}
	for _, c := range []struct{ after, english, german string }{
		{"1", "1 second", "1 Sekunde"}, {"2", "2 seconds", "2 Sekunden"}, {"4", "4 seconds", "4 Sekunden"}, {"8", "8 seconds", "8 Sekunden"},
		{"16", "16 seconds", "16 Sekunden"}, {"32", "32 seconds", "32 Sekunden"}, {"64", "2 minutes", "2 Minuten"}, {"128", "3 minutes", "3 Minuten"},
	} {
		english, german := guess("en"), guess("de")
		if got, want := english.problem(http.StatusTooManyRequests), "Too many attempts. Try again in "+c.english+"."; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got, want := german.problem(http.StatusTooManyRequests), "Zu viele Versuche. Versuchen Sie es in "+c.german+" noch einmal."; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got := english.header.Get("Retry-After"); got != c.after {
			t.Errorf("Retry-After %s, want %s", got, c.after)
		}
		wait, _ := time.ParseDuration(c.after + "s")
		s.advance(wait)
		guess("en").problem(422)
	}
}
