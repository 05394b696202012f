package auth

// StatusListSize is how many places a Token Status List has
// (draft-ietf-oauth-status-list): 16 KiB of bits, so that a list hides well whom
// a verifier asks about, and costs little to send. It is fixed: indexes of
// different lists are told apart by it.
const StatusListSize = 1 << 17

// StatusIndex is where a grant's status stands, counted over all lists: a
// grant's StatusIndex, or 0 for none.
type StatusIndex int64

// List is the number of the list, from 0.
func (i StatusIndex) List() int64 { return int64(i-1) / StatusListSize }

// Place is the index within the list, the idx of a token's claim, from 0.
func (i StatusIndex) Place() int64 { return int64(i-1) % StatusListSize }
