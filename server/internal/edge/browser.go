package edge

import "net/http"

// OwnPages lets through what the pages of issuer, which are ours, send, with a
// cookie or without: a form that signs somebody in counts before there is a
// cookie. Origins that may use Writ's cookies may not send these forms.
func OwnPages(issuer string, serve func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := SameOrigin(r, []string{issuer}); err != nil {
			return err
		}
		return serve(w, r)
	}
}

// SeeOther sends the browser on to an address, byte for byte as it is. It is 303,
// so that no browser sends a body on (RFC 9700, section 4.12), and no answer of a
// cache: there are tickets and codes in addresses. The error is nil, for a
// handler to return.
func SeeOther(w http.ResponseWriter, address string) error {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
