// Package interop holds tests of the library against other people's: what Writ
// signs they verify, what they sign Writ verifies, and what Writ accepts they
// accept too. It is a module of its own so that the library requires nothing.
package interop
