// Package jwk has the keys that sign and verify tokens.
package jwk
