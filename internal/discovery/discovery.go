// Package discovery reads an issuer's metadata: OpenID Connect Discovery 1.0
// section 4 and RFC 8414 section 3.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/internal/strictjson"
)

// maxBytes is many times what issuers send.
const maxBytes = 256 << 10

// ErrIssuer says that the document found at an issuer's address names another
// issuer. Taking it all the same would let whoever runs one host speak for
// another (RFC 8414 section 3.3).
var ErrIssuer = errors.New("discovery document names another issuer")

// Document is what the guard needs of the metadata. Addresses that aren't there
// are empty; those that are have passed [fetch.ParseURL].
type Document struct {
	Issuer        string
	JWKS          string // jwks_uri
	Revocations   string // writ_revocations_endpoint
	LogKeys       string // writ_revocation_keys_endpoint
	LogAck        string // writ_revocation_ack_endpoint
	Introspection string // introspection_endpoint
	ClientKeys    string // writ_client_keys_endpoint
}

// CheckIssuer reports whether an issuer's name is an address from which
// discovery can start.
func CheckIssuer(issuer string) error {
	u, err := fetch.ParseURL(issuer)
	if err != nil {
		return err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return fmt.Errorf("%w: issuer with a query", fetch.ErrAddress)
	}
	return nil
}

// Fetch reads the document of issuer: that of OpenID Connect or, where there is
// none, that of RFC 8414. The document must name the issuer byte for byte.
func Fetch(ctx context.Context, client *fetch.Client, issuer string) (*Document, error) {
	addresses, err := wellKnown(issuer)
	if err != nil {
		return nil, err
	}
	var answer *fetch.Answer
	for _, address := range addresses {
		answer, err = client.Get(ctx, address, http.Header{"Accept": {"application/json"}}, maxBytes)
		if err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
		if answer.Status != http.StatusNotFound {
			break
		}
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("discovery: %w", answer.StatusError())
	}
	return parse(answer.Body, issuer)
}

// wellKnown lists where the document may be. OpenID Connect appends its path to
// the issuer's, RFC 8414 puts its own before it.
func wellKnown(issuer string) ([]string, error) {
	if err := CheckIssuer(issuer); err != nil {
		return nil, err
	}
	u, err := fetch.ParseURL(issuer)
	if err != nil {
		return nil, err
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := u.Scheme + "://" + u.Host
	return []string{
		origin + path + "/.well-known/openid-configuration",
		origin + "/.well-known/oauth-authorization-server" + path,
	}, nil
}

func parse(data []byte, issuer string) (*Document, error) {
	doc := new(Document)
	if err := doc.read(strictjson.NewReader(string(data))); err != nil {
		return nil, fmt.Errorf("discovery document: %w", err)
	}
	if doc.Issuer != issuer {
		return nil, fmt.Errorf("%w: it says %.200q, expected %q", ErrIssuer, doc.Issuer, issuer)
	}
	for _, address := range []string{doc.JWKS, doc.Revocations, doc.LogKeys, doc.LogAck, doc.Introspection, doc.ClientKeys} {
		if address == "" {
			continue
		}
		if _, err := fetch.ParseURL(address); err != nil {
			return nil, fmt.Errorf("discovery document: %w", err)
		}
	}
	return doc, nil
}

func (d *Document) read(r *strictjson.Reader) error {
	if err := r.Members(func(name string) error { return d.member(r, name) }); err != nil {
		return err
	}
	return r.End()
}

func (d *Document) member(r *strictjson.Reader, name string) (err error) {
	switch name {
	case "issuer":
		d.Issuer, err = r.ReadString()
	case "jwks_uri":
		d.JWKS, err = r.ReadString()
	case "writ_revocations_endpoint":
		d.Revocations, err = r.ReadString()
	case "writ_revocation_keys_endpoint":
		d.LogKeys, err = r.ReadString()
	case "writ_revocation_ack_endpoint":
		d.LogAck, err = r.ReadString()
	case "introspection_endpoint":
		d.Introspection, err = r.ReadString()
	case "writ_client_keys_endpoint":
		d.ClientKeys, err = r.ReadString()
	default:
		err = r.Skip()
	}
	return err
}
