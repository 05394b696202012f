// Package auth is the domain of the server: users, roles, organisations,
// clients, APIs, sessions and grants, the errors that doors turn into answers,
// and what the services ask of a store.
//
// It imports no technology. A session is one sign-in at one device; a grant is
// what one client holds of it (signing in to Writ itself makes one of each).
// The grant's id is the sid claim of its access tokens. Everything that can be
// revoked carries 128 random bits, so that a log of hashes names nobody.
package auth
