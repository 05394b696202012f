package jwt

import (
	"errors"
	"strconv"
	"strings"
)

// The reasons for which a token is refused, in the order in which they are
// looked for. An [Error] has exactly one of them, so acting on
// errors.Is(err, ErrExpired) is safe: a token that is refused as expired was
// genuine, for this audience, and good until then.
//
// The first seven say nothing about who made the token. ErrMalformed comes
// before a signature was looked at, unless it is the payload that is not a
// JSON object: an unsigned payload is never parsed.
var (
	ErrTooLarge    = errors.New("token is too large")
	ErrMalformed   = errors.New("token is malformed")          // not three parts, not base64url, not JSON
	ErrHeader      = errors.New("token header is refused")     // "none", crit, b64, a parameter of the wrong type
	ErrType        = errors.New("token is of another type")    // typ
	ErrKey         = errors.New("no such key")                 // none known for this algorithm and key id
	ErrUnavailable = errors.New("keys are unavailable")        // the key source failed: the token may well be good
	ErrSignature   = errors.New("signature does not match")    // forged, or damaged
	ErrClaim       = errors.New("claim is missing or invalid") // also cnf, which nobody here has verified
	ErrIssuer      = errors.New("token is from another issuer")
	ErrAudience    = errors.New("token is for another audience")
	ErrNonce       = errors.New("nonce does not match")
	ErrExpired     = errors.New("token has expired")
	ErrNotYetValid = errors.New("token is not valid yet") // nbf or iat is ahead
	ErrTooOld      = errors.New("token was issued too long ago")
)

// Error is the type of every refusal. It is meant for your log and for your
// code, not for whoever sent the token: the reason tells a forger what to try
// next.
type Error struct {
	// Reason is one of the Err variables of this package.
	Reason error
	// Name is the claim or header parameter to blame, where there is one. It
	// is always a name that the verifier was looking for, never one that only
	// the token mentions.
	Name string
	// Detail says more: of a typ, iss, aud or sub that is another, which the
	// verifier expects. It has no value that the token contains.
	Detail string

	cause error // of the key source
}

// Error returns reason, name and detail in one line. For ErrUnavailable the
// text of the key source's error follows.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("jwt: ")
	if e.Reason != nil {
		b.WriteString(e.Reason.Error())
	} else {
		b.WriteString("token refused")
	}
	for _, part := range []string{e.Name, e.Detail} {
		if part != "" {
			b.WriteString(": ")
			b.WriteString(part)
		}
	}
	if e.cause != nil {
		b.WriteString(": ")
		b.WriteString(e.cause.Error())
	}
	return b.String()
}

// Unwrap returns the reason and, for ErrUnavailable, what the key source said.
func (e *Error) Unwrap() []error {
	errs := make([]error, 0, 2)
	if e.Reason != nil {
		errs = append(errs, e.Reason)
	}
	if e.cause != nil {
		errs = append(errs, e.cause)
	}
	return errs
}

// refuseOther refuses a value that is not one of those expected, and says which
// these are: they are the verifier's own.
func refuseOther(reason error, name string, expected ...string) error {
	quoted := make([]string, len(expected))
	for i, value := range expected {
		quoted[i] = strconv.Quote(value)
	}
	return refuse(reason, name, "expected "+strings.Join(quoted, " or "))
}

func refuse(reason error, name, detail string) error {
	return &Error{Reason: reason, Name: name, Detail: detail}
}
