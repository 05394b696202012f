package auth

import "strings"

// IdentityClaims are the claims about a person that an API may choose among
// and rename.
func IdentityClaims() []string {
	return []string{"email", "email_verified", "name", "preferred_username", "org", "roles", "permissions"}
}

// ReservedClaim says whether a custom claim may not bear this name: it means
// something to those who verify tokens (RFC 7519, RFC 9068, OpenID Connect,
// RFC 7800, RFC 8693, RFC 9396, the Token Status List) or to Writ.
func ReservedClaim(name string) bool {
	switch name {
	case "iss", "sub", "aud", "exp", "nbf", "iat", "jti",
		"client_id", "sid", "scope", "epochs", "auth_time", "amr", "acr", "cnf",
		"azp", "nonce", "at_hash", "c_hash", "s_hash", "typ", "events", "act", "may_act",
		"authorization_details", "status", "email", "email_verified", "name",
		"preferred_username", "org", "roles", "permissions":
		return true
	}
	return strings.HasPrefix(name, "writ") || name == ""
}
