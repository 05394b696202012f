package guard

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/jwk"
)

const metadataPath = "/.well-known/oauth-protected-resource"

// metadataURL is where the metadata of a resource are: between its host and its
// path, which goes away if it is no more than a slash (RFC 9728, section 3.1).
func metadataURL(resource string) string {
	u, err := url.Parse(resource)
	if err != nil {
		return "" // New has parsed it
	}
	path := u.EscapedPath()
	if path == "/" {
		path = ""
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return u.Scheme + "://" + u.Host + metadataPath + path
}

// ResourceMetadata serves the metadata of Config.Resource (RFC 9728): which
// issuers its tokens come from, and how to send them. Serve it at
// "/.well-known/oauth-protected-resource", followed by the resource's path if it
// has one, and name that path in Config.Public. Without Config.Resource it is a
// 404.
func (g *Guard) ResourceMetadata() http.Handler {
	if g.cfg.Resource == "" {
		return http.NotFoundHandler()
	}
	body, err := json.Marshal(g.metadata())
	if err != nil {
		return http.NotFoundHandler() // strings only: can't be
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(body) // the client has gone: nobody to tell
	})
}

type metadata struct {
	Resource string   `json:"resource"`
	Issuers  []string `json:"authorization_servers,omitempty"`
	Methods  []string `json:"bearer_methods_supported"`

	ProofAlgorithms []jwk.Algorithm `json:"dpop_signing_alg_values_supported"`
	Bound           bool            `json:"dpop_bound_access_tokens_required,omitempty"`
}

// metadata lists the issuers that a client could go to: those whose name is an
// address.
func (g *Guard) metadata() metadata {
	m := metadata{Resource: g.cfg.Resource, Methods: []string{"header"}, ProofAlgorithms: dpop.Algorithms(), Bound: g.cfg.DPoP.Required}
	for _, i := range g.cfg.Issuers {
		if u, err := url.Parse(i.URL); err == nil && u.Host != "" {
			m.Issuers = append(m.Issuers, i.URL)
		}
	}
	return m
}
