package edge

import (
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Form are the parameters of a request to an endpoint of OAuth. One that came
// without a value is left out, as if it had not come (RFC 6749, section 3.2).
type Form map[string]string

// maxParameters bounds the parameters of a form. No request has half as many.
const maxParameters = 64

// ReadForm reads the body of r, application/x-www-form-urlencoded of at most
// MaxBody bytes. What can be read in two ways is CodeInvalid: a parameter that
// comes twice, a stray '%', text that isn't UTF-8. So is every parameter in the
// query: addresses end up in logs, and a form's secrets with them. Unknown
// parameters are passed over. The errors never repeat a value.
func ReadForm(w http.ResponseWriter, r *http.Request) (Form, error) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return nil, auth.Errorf(auth.CodeInvalid, "Parameters belong in the body, not in the address.")
	}
	if !isForm(r.Header) {
		return nil, auth.Errorf(auth.CodeInvalid, "The body must be application/x-www-form-urlencoded.")
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	return parseForm(string(body))
}

func isForm(h http.Header) bool {
	if len(h.Values("Content-Type")) != 1 || h.Get("Content-Encoding") != "" {
		return false
	}
	const form = "application/x-www-form-urlencoded"
	if h.Get("Content-Type") == form {
		return true
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != form {
		return false
	}
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8")
}

// parseForm is url.ParseQuery, which keeps repetitions and what isn't UTF-8,
// but strict.
func parseForm(body string) (Form, error) {
	f := Form{}
	empty := 0
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, value, ok := unescapePair(pair)
		if !ok {
			return nil, auth.Errorf(auth.CodeInvalid, "The form is malformed.")
		}
		if _, twice := f[name]; twice {
			return nil, errTwice(name)
		}
		if len(f) == maxParameters {
			return nil, auth.Errorf(auth.CodeInvalid, "The form has more than %d parameters.", maxParameters)
		}
		if value == "" {
			empty++
		}
		f[name] = value
	}
	if empty > 0 {
		maps.DeleteFunc(f, func(_, value string) bool { return value == "" })
	}
	return f, nil
}

// maxNamed is longer than the name of any parameter that there is.
const maxNamed = 32

// errTwice names a parameter that came twice, if it looks like one. A page shows
// this under our own name, by a link that anybody can make: it must not say what
// they like.
func errTwice(name string) error {
	if len(name) > maxNamed || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return auth.Errorf(auth.CodeInvalid, "A parameter is there twice.")
	}
	return auth.Invalid(name, "%s is there twice", name)
}

func unescapePair(pair string) (name, value string, ok bool) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err1 := unescape(rawName)
	value, err2 := unescape(rawValue)
	ok = err1 == nil && err2 == nil && strings.IndexByte(pair, ';') < 0 && utf8.ValidString(name) && utf8.ValidString(value)
	return name, value, ok
}

// unescape is url.QueryUnescape, which looks at each byte by itself, for text
// that mostly has nothing to unescape.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	return url.QueryUnescape(s)
}
