package edge

import "net/http"

// PublicAnswer lets the pages of every origin read an answer that depends on
// nothing a browser sends by itself: no cookie counts, and the request carries
// what it needs. The wildcard excludes credentials (Fetch, section 3.2.5).
func PublicAnswer(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, DPoP-Nonce")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// PublicPreflight answers the question that a browser asks before such a
// request.
func PublicPreflight(methods string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		PublicAnswer(w)
		h := w.Header()
		h.Set("Access-Control-Allow-Methods", methods)
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}
