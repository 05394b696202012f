package clientauth

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Credentials are what a request presents, each "" if it does not.
type Credentials struct {
	Authorization []string // every header of that name, as it came
	ID            string   // client_id
	Secret        string   // client_secret
	AssertionType string   // client_assertion_type
	Assertion     string   // client_assertion
	Grant         string   // assertion, where it is a grant: it tells who the client is if nothing else does
	Address       string   // where the request comes from
}

// presented is what Credentials come down to.
type presented struct {
	method, id, secret, assertion string
}

// Bounds of what is looked at. A longer name is no client's.
const (
	maxID        = 128
	maxAssertion = 8 << 10
)

// typeJWTBearer is the client_assertion_type of RFC 7523, section 2.2.
const typeJWTBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// read finds the one method that is used. Two at once are refused (RFC 6749,
// section 2.3): which of them a proxy in front of us has looked at can't be
// told.
func (c Credentials) read() (p presented, err error) {
	used := 0
	if len(c.Authorization) > 0 {
		used++
		if p, err = readBasic(c.Authorization); err != nil {
			return p, err
		}
	}
	if c.Secret != "" {
		used++
		p = presented{method: auth.AuthSecretPost, id: c.ID, secret: c.Secret}
	}
	if c.Assertion != "" || c.AssertionType != "" {
		used++
		if p, err = c.readAssertion(); err != nil {
			return p, err
		}
	}
	if used == 0 && c.Grant != "" {
		used++
		if p, err = c.readGrant(); err != nil {
			return p, err
		}
	}
	switch {
	case used > 1:
		return p, auth.Errorf(auth.CodeInvalid, "The request authenticates its client in more than one way.")
	case used == 0 && c.ID == "":
		return p, auth.Errorf(auth.CodeUnauthenticated, "The request does not say which client it comes from.")
	case used == 0:
		p = presented{method: auth.AuthNone, id: c.ID}
	case c.ID != "" && c.ID != p.id:
		return p, auth.Invalid("client_id", "client_id is not the client that authenticates")
	}
	if len(p.id) > maxID {
		p.id = p.id[:maxID+1] // no client's, and short enough to be kept
	}
	return p, nil
}

// readBasic reads the header of client_secret_basic. Name and secret are each
// encoded as in a form (RFC 6749, section 2.3.1), which the scheme itself
// doesn't ask for and many clients forget; what Writ generates is the same
// either way.
func readBasic(headers []string) (presented, error) {
	if len(headers) > 1 {
		return presented{}, auth.Errorf(auth.CodeInvalid, "There are two Authorization headers.")
	}
	scheme, text, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return presented{}, errClient()
	}
	pair, err := base64.StdEncoding.Strict().DecodeString(strings.Trim(text, " "))
	if err != nil {
		return presented{}, errClient()
	}
	first, second, colon := strings.Cut(string(pair), ":")
	id, err1 := url.QueryUnescape(first)
	secret, err2 := url.QueryUnescape(second)
	if !colon || err1 != nil || err2 != nil || !utf8.ValidString(id) || id == "" {
		return presented{}, errClient()
	}
	return presented{method: auth.AuthSecretBasic, id: id, secret: secret}, nil
}

func (c Credentials) readAssertion() (presented, error) {
	if c.AssertionType != typeJWTBearer {
		return presented{}, auth.Invalid("client_assertion_type", "client_assertion_type must be %s", typeJWTBearer)
	}
	if c.Assertion == "" {
		return presented{}, auth.Invalid("client_assertion", "client_assertion is missing")
	}
	id, ok := claimedClient(c.Assertion)
	if !ok {
		return presented{}, errClient()
	}
	return presented{method: auth.AuthPrivateKeyJWT, id: id, assertion: c.Assertion}, nil
}

func (c Credentials) readGrant() (presented, error) {
	id, ok := claimedClient(c.Grant)
	if !ok {
		return presented{}, errGrant()
	}
	return presented{method: methodGrant, id: id, assertion: c.Grant}, nil
}

// claimedClient is whose assertion this claims to be. Nobody vouches for it
// yet: it chooses the keys to check with, and iss must be the same under them.
func claimedClient(assertion string) (id string, ok bool) {
	if len(assertion) > maxAssertion {
		return "", false
	}
	u, err := jwt.DecodeUnverified(assertion)
	if err != nil {
		return "", false
	}
	id, err = stringMember(string(u.Payload()), "sub")
	return id, err == nil && id != ""
}

// stringMember reads a member of an object that must be a string; "" if there
// is none.
func stringMember(object, name string) (string, error) {
	value, found, err := strictjson.Member(object, name)
	if err != nil || !found {
		return "", err
	}
	return strictjson.NewReader(value).ReadString()
}
