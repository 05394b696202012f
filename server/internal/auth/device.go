package auth

import (
	"context"
	"time"
)

// GrantDeviceCode is the grant type of devices without a browser (RFC 8628,
// section 3.4).
const GrantDeviceCode = "urn:ietf:params:oauth:grant-type:device_code"

// DeviceState is what a person has said to a device's request.
type DeviceState string

// The states.
const (
	DevicePending  DeviceState = "pending"
	DeviceAllowed  DeviceState = "allowed"
	DeviceDenied   DeviceState = "denied"
	DeviceRedeemed DeviceState = "redeemed" // its tokens were made
)

// Device is a device that waits for a person's answer (RFC 8628). Only hashes of
// its two codes are kept.
type Device struct {
	Hash      [32]byte // of the device code, which the device polls with
	UserCode  [32]byte // of what the person types
	ClientID  string
	Scope     []string
	Audience  string
	CreatedAt time.Time
	ExpiresAt time.Time
	Interval  time.Duration // between two polls
	PolledAt  time.Time     // zero: never
	Hasty     bool          // the last poll came too early
	State     DeviceState
	SignInID  string // of who allowed it: the grant of the session's sign-in
}

// DeviceAnswer is what a person says of a device.
type DeviceAnswer struct {
	State    DeviceState // DeviceAllowed or DeviceDenied
	SignInID string      // of who says so
	// Consent is what the person allows the device's client with it: both are
	// stored, or neither, so that whoever takes it back ends the device too. nil
	// where it is denied.
	Consent *Consent
}

// Devices is what the device flow asks of the store.
type Devices interface {
	// AddDevice stores a device that nobody has answered. A *ConflictError if one
	// of its codes is taken; CodeUnavailable if most devices wait for an answer
	// already, or share of the same client.
	AddDevice(ctx context.Context, d Device, most, share int) error
	// DeviceByUserCode finds one, whatever its state and age.
	DeviceByUserCode(ctx context.Context, hash [32]byte) (Device, error)
	// PollDevice notes that a client asked, and answers the device as it is then.
	// One that comes earlier than the interval, less leeway, after the last is
	// Hasty, and its interval grows by grow. ErrNotFound if the client has no such
	// device.
	PollDevice(ctx context.Context, clientID string, hash [32]byte, leeway, grow time.Duration) (Device, error)
	// AnswerDevice notes what a person said of a pending device that has not
	// expired. False, with nothing changed, if it is another by now.
	AnswerDevice(ctx context.Context, hash [32]byte, answer DeviceAnswer, evs ...Event) (bool, error)
	// RedeemDevice makes g the grant of a device that was allowed. Of any number
	// of calls at once exactly one answers true. ErrEpochChanged as in
	// Codes.Redeem.
	RedeemDevice(ctx context.Context, hash [32]byte, g Grant, marks Marks, ev Event) (bool, error)
}
