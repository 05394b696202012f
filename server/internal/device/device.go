// Package device lets people sign in on what has no browser (RFC 8628): the
// device shows a short code, the person types it into a page of ours elsewhere,
// and says yes; meanwhile the device asks.
//
// Who guesses a code that somebody else's device shows could put their own
// account on it, or be asked to allow what they never began. So guessing is slow
// in four ways: it needs a sign-in; a person and an address have ten wrong tries
// at once, then wait longer and longer ([limit.Throttle]); a person looks up no
// more than [own] codes in ten minutes, right or wrong; and all people together
// are wrong no more than [misses] times, which takes more than a hundred accounts.
// With at most [Most] codes alive, of 2.56e10, that is a chance of 4.7e-4 in ten
// minutes for somebody with hundreds of accounts and addresses who takes up all of
// it; with a hundred codes alive 4.7e-6; for one account at one address, some 13
// tries, 5e-8. The nodes of a fleet count together where there is a Redis.
//
// What is likelier than guessing is a code that somebody sends (section 5.4): so
// the page shows what asks, and asks, even where the code came with the address,
// and even for the team's own applications.
package device

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/limit"
	"github.com/writ-auth/writ/server/internal/session"
)

const (
	// TTL is the life of a device's codes, and Interval how long it waits between
	// two polls.
	TTL      = 10 * time.Minute
	Interval = 5 * time.Second
	// Most is how many devices may wait at a time, and Share how many of them may
	// be of one public client, so that who passes for it leaves room for others.
	Most  = 10_000
	Share = Most / 10

	grow   = 5 * time.Second        // of the interval, for who asks too early (section 3.5)
	leeway = 500 * time.Millisecond // by which a poll may be early: networks are
	own    = 30                     // lookups of user codes by one person in TTL
	misses = 1_200                  // wrong ones by all people in TTL
	starts = 60                     // by public clients of one address in TTL

	codePrefix = "writ_dc_" // of every device code, so that secret scanners know one
)

// Options are what a Service is made of; every field is required.
type Options struct {
	Issuer   string
	Devices  auth.Devices
	Clients  auth.Registry
	Requests *authorization.Service
	Sessions *session.Service
	Sealer   *keyring.Sealer
	Redis    *limit.Redis // where nodes count together; may be nil
	Now      func() time.Time
}

// Service is the device flow. It is safe for concurrent use.
type Service struct {
	Options
	guesses *limit.Throttle
	own     *limit.Quota // by user
	misses  *limit.Quota
	starts  *limit.Quota
}

// New makes the service.
func New(opts Options) *Service {
	const wait = "Too many codes were tried; try again later."
	return &Service{
		Options: opts,
		guesses: limit.NewShared(opts.Now, opts.Redis, "devices"),
		own:     limit.NewQuota(own, TTL, wait, opts.Now, opts.Redis, "device-lookups-own"),
		misses:  limit.NewQuota(misses, TTL, wait, opts.Now, opts.Redis, "device-misses"),
		starts:  limit.NewQuota(starts, TTL, "Too many devices began at this address; try again later.", opts.Now, opts.Redis, "device-starts"),
	}
}

// Codes is what a device is told when it begins.
type Codes struct {
	Device string // it polls with this
	User   string // the person types this
}

// Begin gives a client's device its codes. params are those of an authorization
// request that say what the tokens are to be for. A *[authorization.Refusal] is
// for the client. Of public clients, which anybody can pass for, an address may
// begin but so many devices.
func (s *Service) Begin(ctx context.Context, client *auth.Registration, params map[string]string, address string) (Codes, error) {
	if !slices.Contains(client.Client.GrantTypes, auth.GrantDeviceCode) {
		return Codes{}, auth.Errorf("unauthorized_client", "This client may not use the device flow.")
	}
	audience, scope, err := s.Requests.Wanted(client, params)
	if err != nil {
		return Codes{}, err
	}
	share := Most
	if client.Client.TokenEndpointAuthMethod == auth.AuthNone {
		share = Share
		if err := s.starts.Take(ctx, address); err != nil {
			return Codes{}, err
		}
	}
	for {
		var random [32]byte
		rand.Read(random[:])
		codes := Codes{Device: codePrefix + base64url.Encode(random[:]), User: newUserCode()}
		now := s.Now()
		err := s.Devices.AddDevice(ctx, auth.Device{
			Hash: hashDeviceCode(codes.Device), UserCode: hashUserCode(codes.User), ClientID: client.Client.ID, Scope: scope, Audience: audience,
			CreatedAt: now, ExpiresAt: now.Add(TTL), Interval: Interval, State: auth.DevicePending,
		}, Most, share)
		if !errors.Is(err, auth.ErrConflict) { // one in millions has the code of another
			return codes, err
		}
	}
}

// Question is what a person is asked about a device.
type Question struct {
	Client   *auth.Registration
	Scope    []string
	Audience string
	UserCode string // as people read it
	Ticket   string // to answer with, in this session alone
}

// errCode is the one answer to a code that is wrong, too old or answered.
func errCode() error {
	return auth.Invalid("user_code", "No device waits with this code. Look at the device again: a code is good for ten minutes.")
}

// everybody is the one key of the quota that all people share.
const everybody = "all"

// Ask finds the device of a code that a person typed, or that came with the
// address. CodeInvalid for one that isn't there, CodeTooMany after too many.
func (s *Service) Ask(ctx context.Context, typed string, who session.Identity, address string) (Question, error) {
	code, ok := parseUserCode(typed)
	if !ok {
		return Question{}, errCode() // no guess: it can't be one
	}
	attempt, err := s.guesses.Attempt(ctx, who.User.ID, address)
	if err != nil {
		return Question{}, err
	}
	defer attempt.Release()
	// What all share comes last: who has had enough takes nothing of it.
	if err := s.own.TakeBy(ctx, who.User.ID); err != nil {
		return Question{}, err
	}
	if err := s.misses.TakeBy(ctx, everybody); err != nil {
		return Question{}, err
	}
	d, client, err := s.find(ctx, hashUserCode(code))
	if err != nil || client != nil {
		s.misses.GiveBackBy(ctx, everybody)
	}
	if err != nil {
		return Question{}, err
	}
	if client == nil {
		attempt.Failed()
		return Question{}, errCode()
	}
	// A right one is no proof of innocence: anybody can begin a device and type
	// its code. The failures stay.
	t, err := s.seal(ticket{UserCode: d.UserCode, SessionID: who.Session.ID})
	return Question{Client: client, Scope: d.Scope, Audience: d.Audience, UserCode: Readable(code), Ticket: t}, err
}

// find answers a device that waits, and its client; nil if there is none.
func (s *Service) find(ctx context.Context, userCode [32]byte) (d auth.Device, client *auth.Registration, err error) {
	d, err = s.Devices.DeviceByUserCode(ctx, userCode)
	if errors.Is(err, auth.ErrNotFound) || err == nil && (d.State != auth.DevicePending || !s.Now().Before(d.ExpiresAt)) {
		return d, nil, nil
	}
	if err != nil {
		return d, nil, err
	}
	client, err = s.Clients.Registration(ctx, d.ClientID)
	if errors.Is(err, auth.ErrNotFound) || err == nil && client.Client.Disabled {
		return d, nil, nil
	}
	return d, client, err
}

// Answer carries out what a person said to a question. The ticket is of this
// very session: who has another's page can't answer it.
func (s *Service) Answer(ctx context.Context, sealed string, who session.Identity, allow bool, address string) error {
	t, err := s.open(sealed)
	if err != nil || t.SessionID != who.Session.ID {
		return errors.Join(auth.Errorf(auth.CodeForbidden, "This page was made for another sign-in, or is too old. Type the code again."), err)
	}
	d, client, err := s.find(ctx, t.UserCode)
	if err != nil {
		return err
	}
	if client == nil {
		return errCode()
	}
	answer := auth.DeviceAnswer{State: auth.DeviceDenied, SignInID: who.Grant.ID}
	ev := auth.Event{At: s.Now(), Actor: who.User.ID, Action: "device.deny", Target: d.ClientID, Address: address, Verdict: "refused"}
	evs := []auth.Event{ev}
	if allow {
		answer.State = auth.DeviceAllowed
		answer.Consent = &auth.Consent{UserID: who.User.ID, ClientID: d.ClientID, Audience: d.Audience, Scope: d.Scope, UpdatedAt: ev.At}
		consent := ev
		consent.Action, consent.Verdict, consent.Reason = "consent.add", "allowed", "device"
		ev.Action, ev.Verdict = "device.allow", "allowed"
		evs = []auth.Event{consent, ev}
	}
	answered, err := s.Devices.AnswerDevice(ctx, d.Hash, answer, evs...)
	if err == nil && !answered {
		err = errCode()
	}
	return err
}

// ticket is what the page carries from question to answer.
type ticket struct {
	UserCode  [32]byte `json:"u"`
	SessionID string   `json:"s"`
}

func (s *Service) seal(t ticket) (string, error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	return base64url.Encode(s.Sealer.Seal(keyring.SealTicket, "device", "answer", plain)), nil
}

func (s *Service) open(text string) (t ticket, err error) {
	sealed, err := base64url.Decode(text)
	if err != nil || len(text) > 1<<10 {
		return t, errors.Join(keyring.ErrSealed, err)
	}
	plain, err := s.Sealer.Open(keyring.SealTicket, "device", "answer", sealed)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(plain, &t)
}
