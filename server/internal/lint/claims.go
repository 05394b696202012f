package lint

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"
)

// claims checks what a token must say, and what it says too much of.
func (l *linter) claims() {
	l.missing()
	l.types()
	l.issuer()
	l.audience()
	if l.kind == Refresh {
		l.find("refresh-jwt", "")
	}
	l.roles()
}

// missing wants what each kind of token needs. Of a type of its own nothing is
// known but that it should end.
func (l *linter) missing() {
	p := l.token.payload
	required := []string{"exp", "iss", "aud", "sub", "iat", "jti", "nbf"}
	switch l.kind {
	case ID:
		required = []string{"exp", "iss", "aud", "sub", "iat"}
	case Other:
		required = []string{"exp"}
		if isOneOf(mediaType(l.token.header), "dpop+jwt", "secevent+jwt", "logout+jwt") { // bound to the moment by iat and jti
			required = []string{"iat", "jti"}
		}
	}
	for _, claim := range required {
		if !p.has(claim) {
			l.find(claim+"-missing", "")
		}
	}
	if mediaType(l.token.header) == "at+jwt" && !p.has("client_id") {
		l.find("client-missing", "")
	}
}

// types wants strings to be strings; dates are looked at elsewhere.
func (l *linter) types() {
	p := l.token.payload
	for _, claim := range []string{"iss", "sub", "jti", "client_id", "sid", "nonce", "azp"} {
		if _, ok := p.string(claim); p.has(claim) && !ok {
			l.find("claim-type", "claim %s: not a string", claim)
		}
	}
	if _, ok := p.strings("aud"); p.has("aud") && !ok {
		l.find("claim-type", "claim aud: neither a string nor a list of strings")
	}
}

func (l *linter) issuer() {
	iss, ok := l.token.payload.string("iss")
	if !ok {
		return
	}
	u, err := url.Parse(iss)
	switch {
	case err != nil || u.Host == "":
		l.find("iss-name", "claim iss")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		l.find("iss-insecure", "claim iss")
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (l *linter) audience() {
	list, ok := l.token.payload.strings("aud")
	if !ok {
		return
	}
	if len(list) == 0 {
		l.find("aud-empty", "claim aud: no element")
	}
	for _, aud := range list {
		switch {
		case strings.TrimSpace(aud) == "":
			l.find("aud-empty", "claim aud: an empty string")
		case strings.Contains(aud, "*") || isOneOf(strings.ToLower(aud), "all", "any"):
			l.find("aud-wildcard", "claim aud: %s", name(aud))
		}
	}
	if len(list) > 1 {
		l.find("aud-many", "claim aud: %d", len(list))
	}
}

// roles looks for what lets its bearer do everything.
func (l *linter) roles() {
	p := l.token.payload
	for _, claim := range []string{"scope", "scp", "role", "roles", "groups", "permissions", "authorities", "entitlements"} {
		list, _ := p.strings(claim)
		for _, entry := range list {
			for word := range strings.FieldsSeq(entry) {
				l.role(claim, word)
			}
		}
	}
	for _, claim := range []string{"admin", "is_admin", "isAdmin", "superuser", "is_superuser", "root"} {
		if string(p.get(claim)) == "true" {
			l.find("role-admin", "claim %s", claim)
		}
	}
	l.nestedRoles(p.get("realm_access"))
}

// nestedRoles reads Keycloak's {"roles": […]}.
func (l *linter) nestedRoles(raw json.RawMessage) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	list, _ := readObject(raw).strings("roles")
	for _, role := range list {
		l.role("realm_access.roles", role)
	}
}

func (l *linter) role(claim, role string) {
	switch role = strings.ToLower(role); {
	case strings.Contains(role, "*"):
		l.find("role-wildcard", "claim %s: %s", claim, name(role))
	case isOneOf(lastWord(role), "admin", "administrator", "administrators", "superuser", "superadmin", "root"):
		l.find("role-admin", "claim %s: %s", claim, name(role))
	}
}

// lastWord is "admin" of "writ:admin" and "role_admin".
func lastWord(role string) string {
	return role[strings.LastIndexAny(role, ":./_-")+1:]
}
