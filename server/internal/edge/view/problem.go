package view

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/credential"
)

// Problem says what was wrong in the person's language: what a new password
// lacks, how long to wait, else by the field to blame, by the code, or as the
// error says it, in English. locales are as in [Page].
func (v *View) Problem(r *http.Request, locales string, e *auth.Error) string {
	t := v.tables[language(r, locales)]
	var flaw credential.Flaw
	if errors.As(e.Err, &flaw) {
		if text, ok := t.flawed(flaw); ok {
			return text
		}
	}
	code := "error." + string(e.Code)
	if text, ok := t[code+".wait"]; ok && e.RetryAfter > 0 {
		return fill(text, t.lasting(e.RetryAfter))
	}
	for _, name := range []string{code + "." + e.Field, code} {
		if text, ok := t[name]; ok {
			return text
		}
	}
	return e.Message
}

// flawed says why a new password is not taken.
func (t table) flawed(flaw credential.Flaw) (text string, ok bool) {
	switch flaw {
	case credential.TooShort:
		text, ok = t["error.password.short"]
		text = fill(text, strconv.Itoa(credential.MinCharacters))
	case credential.TooLong:
		text, ok = t["error.password.long"]
		text = fill(text, strconv.Itoa(credential.MaxPassword))
	case credential.NoText:
		text, ok = t["error.password.text"]
	case credential.Guessable:
		text, ok = t["error.password.guessable"]
	}
	return text, ok
}

// lasting is a time to wait in words: seconds below a minute, else minutes, and
// never less than it is, for who comes back then must not be too early.
func (t table) lasting(d time.Duration) string {
	count, unit := math.Ceil(d.Seconds()), "second"
	if count >= 60 {
		count, unit = math.Ceil(d.Minutes()), "minute"
	}
	if count == 1 {
		return t["time."+unit]
	}
	return fill(t["time."+unit+"s"], strconv.Itoa(int(count)))
}
