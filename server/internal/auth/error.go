package auth

import (
	"errors"
	"fmt"
	"time"
)

// Code says what went wrong in a word that clients may branch on. It is part
// of the HTTP contract: the "code" member of a problem document.
type Code string

// The codes. A new one needs a status in package edge.
const (
	CodeInvalid            Code = "invalid_request"
	CodeInvalidCredentials Code = "invalid_credentials"
	CodeUnauthenticated    Code = "unauthenticated"
	CodeInvalidToken       Code = "invalid_token"
	CodeSessionEnded       Code = "session_ended"
	CodeStateLost          Code = "state_lost"
	CodePasswordChange     Code = "password_change_required"
	CodeForbidden          Code = "forbidden"
	CodeCrossSite          Code = "cross_site_request"
	CodeSignupDisabled     Code = "signup_disabled"
	CodeNotFound           Code = "not_found"
	CodeMethodNotAllowed   Code = "method_not_allowed"
	CodeMediaType          Code = "unsupported_media_type"
	CodeConflict           Code = "conflict"
	CodeTooLarge           Code = "too_large"
	CodeTokenTooLarge      Code = "token_too_large"
	CodeTooMany            Code = "too_many_requests"
	CodeNotImplemented     Code = "not_implemented"
	CodeUnavailable        Code = "unavailable"
	CodeInvalidProof       Code = "invalid_dpop_proof" // RFC 9449
	CodeUseNonce           Code = "use_dpop_nonce"
)

// Error is an error that may be shown to the caller: Code and Message reach
// the client, Err never does. An error without a Code is internal; a door
// answers 500 and says nothing of its text.
type Error struct {
	Code       Code
	Message    string         // one sentence for the person who reads the answer
	Field      string         // the member of the request to blame, "" if none
	RetryAfter time.Duration  // for CodeTooMany and CodeUnavailable
	Data       map[string]any // further members of the problem document
	Err        error          // the cause, for the log
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a code and a message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes the Error of a request whose field is wrong.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// What stores answer. Services turn them into an Error where the caller may
// know.
var (
	ErrNotFound     = errors.New("auth: not found")
	ErrConflict     = errors.New("auth: conflict")          // a unique value is taken; the text after it names the field
	ErrMoved        = errors.New("auth: changed meanwhile") // what was read is no longer what is there
	ErrEpochChanged = errors.New("auth: epoch changed")     // everything of this user or client was ended meanwhile

	// ErrLastAdministrator: without this user nobody could administer Writ, and
	// nothing has happened.
	ErrLastAdministrator = errors.New("auth: the last administrator")
)

// ConflictError is ErrConflict with the field whose value is taken.
type ConflictError struct{ Field string }

func (e *ConflictError) Error() string { return "auth: " + e.Field + " is taken" }

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// FieldRevokedKey is the field of a kid that was revoked, and stays so.
const FieldRevokedKey = "revoked kid"
