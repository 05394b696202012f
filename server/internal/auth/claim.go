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
//
// Letter case makes no difference. To the standards it does, but verifiers that
// read claims with Go's encoding/json take "SUB" for "sub" and let the later of
// the two count: a custom claim in capitals would choose whom a token is about.
func ReservedClaim(name string) bool {
	name = FoldClaim(name)
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

// FoldClaim is the form in which two names of claims are equal if encoding/json
// takes one for the other. Its letters are those of ASCII and the two that
// Unicode folds to them: the Kelvin sign, which ToLower makes a k, and the long s.
func FoldClaim(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "\u017f", "s"))
}
