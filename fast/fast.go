// Package fast verifies signatures with public keys that are prepared once.
package fast

import "github.com/writ-auth/writ/jwk"

// Prepare returns a key that verifies as k does, only faster; k itself if it is
// of a kind that this package can't speed up.
func Prepare(k *jwk.PublicKey) *jwk.PublicKey { return k }
