package auth

import (
	"crypto/rand"
	"encoding/base64"
)

// Prefixes of ids, so that one kind is never taken for another. A client's id
// is free, but never begins with PrefixUser: a client that could choose a
// user's sub would be that user to an API that looks at sub alone (RFC 9700,
// section 4.15).
const (
	PrefixUser    = "usr_"
	PrefixSession = "ses_"
	PrefixClient  = "cli_"
	PrefixAPI     = "api_"
	PrefixOrg     = "org_"
	PrefixRole    = "rol_"
	PrefixSecret  = "sec_"
)

// Random128 returns 128 random bits in base64url: a jti, a sid or an epoch.
func Random128() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewID returns prefix followed by 128 random bits in base64url.
func NewID(prefix string) string { return prefix + Random128() }
