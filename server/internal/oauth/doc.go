// Package oauth is the house of the doors that speak OAuth, one a chapter of
// the protocol. It has no code of its own; here they are tested together,
// through the whole application, as clients see them.
package oauth
