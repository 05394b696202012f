package auth

import (
	"context"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

// The store, seen by those who use it. Each exported method is one
// transaction: what it says happens together, happens together or not at all,
// and is durable when the method returns. A method answers ErrNotFound for a
// missing row and a *ConflictError for a taken unique value. Times are kept in
// microseconds, UTC.

// Page asks for one page of a list, in order of id.
type Page struct {
	Cursor string // the Next of the page before; "": the first
	Limit  int    // 1 to 200; 0: 50
	Query  string // a prefix, matched without regard to case against the names of the thing; "": all
}

// Marks raises the high-water marks of expiry before a token is signed, so
// that a later revocation knows how long it must be remembered. The caller
// rounds Expiry up to the hour and leaves an id empty where the row's mark is
// high enough already, so that most refreshes write nothing here.
type Marks struct {
	Expiry                         time.Time
	GrantID, UserID, ClientID, KID string
	// ClientEpoch is the epoch that a token without a grant will carry; ""
	// where there is a grant, whose own epochs are checked.
	ClientEpoch string
}

// Empty says that there is nothing to raise.
func (m Marks) Empty() bool {
	return m.GrantID == "" && m.UserID == "" && m.ClientID == "" && m.KID == ""
}

// Held is a grant with all that a refresh or a request must know of it, read
// at one moment.
type Held struct {
	Grant   Grant
	Session Session
	User    User
	Client  Client
	API     API       // of Grant.Audience, where Refresh reads it; zero: there is none
	Now     time.Time // the store's time of the reading
}

// Turn is what becomes of a grant at a refresh: the new rotation state, its idle
// expiry and the session's (zero: as it was), marks to raise, and an event to
// record, which may be nil.
type Turn struct {
	To          Rotation
	Idle        time.Time
	SessionIdle time.Time // the session was seen now, as well
	Marks       Marks
	Event       *Event
}

// Ending names what ends, and why. Exactly one of the first four is set.
type Ending struct {
	GrantID   string // one grant: its sid is logged
	SessionID string // a session: the sid of every live grant of it is logged
	UserID    string // every session of the user: the epoch is replaced by NewEpoch, the old one logged
	ClientID  string // every grant of the client: likewise
	NewEpoch  string // for UserID and ClientID
	// Tokens, with UserID, ends the access tokens that are out and nothing else:
	// live sessions go on under NewEpoch, and get other tokens with a refresh. With
	// more than 10,000 live grants the user's sessions end as well.
	Tokens bool
	Reason string // "logout", "logout_all", "password_change", "theft", "admin", "disabled", …
}

// Sessions is what sign-in, refresh and log-out ask of the store.
type Sessions interface {
	// Begin stores a session and its first grant. ErrEpochChanged if the
	// user or client was disabled or has another epoch than the grant: what
	// was checked before (a password) may no longer hold.
	Begin(ctx context.Context, s Session, g Grant, marks Marks, ev Event) error
	// HeldByHandle finds a grant by SHA-256 of its handle, ended or not.
	HeldByHandle(ctx context.Context, hash []byte) (Held, error)
	// HeldByGrant finds it by its id (the sid claim).
	HeldByGrant(ctx context.Context, id string) (Held, error)
	// HeldByCookie finds a session-mode session, and its grant, by SHA-256 of the cookie.
	HeldByCookie(ctx context.Context, hash []byte) (Held, error)
	// Refresh finds a grant by SHA-256 of its handle, lets decide say what is to
	// become of it, and does that, so that nothing else changes the grant in
	// between. ErrNotFound without such a grant; an error of decide ends the
	// call with nothing changed; a nil Turn changes nothing. After that meanwhile
	// is called, while the change becomes durable: what it makes may leave if
	// the answer is nil. Its error is the answer, and the grant may have
	// changed. Both functions may be called again, decide where nothing may be
	// asked of the store or waited for. What Held.Client and Held.API refer to is
	// shared, to be read only.
	Refresh(ctx context.Context, hash []byte, decide func(Held) (*Turn, error), meanwhile func() error) error
	// Rotate carries out a turn from a rotation state. False, with nothing
	// changed, if the state is no longer that or the grant or its session ended.
	Rotate(ctx context.Context, grantID string, from Rotation, turn Turn) (bool, error)
	// Raise raises marks alone: a token is about to be made that rotates
	// nothing. ErrEpochChanged if the grant is over, or the client has another
	// epoch than marks says: the token must not be made, for the log's entry
	// would be forgotten before it expires. The same if the key of marks signs
	// no longer: its publication would end before the token does.
	Raise(ctx context.Context, marks Marks) error
	// Touch moves a session-mode session's idle expiry and last-seen time.
	Touch(ctx context.Context, sessionID string, seen, idle time.Time) error
	// AssignStatus answers the place of a grant in the status lists, and gives it
	// one first if it has none. The grant need not be stored yet. A place is
	// random among those that no token alive, or expired of late, names.
	// ErrEpochChanged if the stored grant has another user epoch than g.
	AssignStatus(ctx context.Context, g Grant) (StatusIndex, error)
	// End ends what e names and logs it. It answers the number of the last log
	// entry it made; ending what has ended already is no error and answers 0.
	End(ctx context.Context, e Ending, now time.Time, ev Event) (seq uint64, err error)
	// Sessions lists a user's live sessions (userID "" lists everybody's).
	Sessions(ctx context.Context, userID string, p Page) (items []Session, next string, err error)
	// SessionOf answers the session that id, a session's or a grant's, names.
	SessionOf(ctx context.Context, id string) (Session, error)
}

// Users is what services ask about people.
type Users interface {
	CreateUser(ctx context.Context, u User, ev Event) error
	UserByID(ctx context.Context, id string) (User, error)
	// UserByLogin finds by e-mail if login contains '@', else by user name, without regard to case.
	UserByLogin(ctx context.Context, login string) (User, error)
	Users(ctx context.Context, p Page) (items []User, next string, err error)
	// UpdateUser replaces the row (but for password, epoch and mark). If end is
	// not nil its Ending is carried out in the same transaction. Where tokens that
	// are out say something else by now, the log says so (revlog.ClaimsChanged).
	// ErrMoved, and nothing has happened, if the user's UpdatedAt is no longer read:
	// two nodes that change a user at once must not undo each other's change.
	// ErrLastAdministrator if nobody else is one.
	UpdateUser(ctx context.Context, u User, read time.Time, end *Ending, now time.Time, ev Event) (seq uint64, err error)
	// UpdateProfile changes what users may say of themselves and nothing else: an
	// administrator may be changing the rest of the row on another node at this
	// moment. What is nil stays. The log says so as of UpdateUser.
	UpdateProfile(ctx context.Context, id string, name, username *string, now time.Time, ev Event) (User, error)
	// SetPassword sets hash and mustChange and ends every session of the user
	// (newEpoch), in one transaction. oldHash must still be the hash, else
	// ErrConflict: two changes at once can't both win. "" for oldHash skips
	// that (an administrator's reset).
	SetPassword(ctx context.Context, userID, oldHash, newHash string, mustChange bool, newEpoch string, now time.Time, ev Event) (seq uint64, err error)
	// Rehash replaces oldHash by newHash of the same password and ends nothing.
	Rehash(ctx context.Context, userID, oldHash, newHash string) error
	// DeleteUser ends everything of the user and removes the row.
	// ErrLastAdministrator as of UpdateUser.
	DeleteUser(ctx context.Context, id string, now time.Time, ev Event) (seq uint64, err error)
	// Permissions answers the sorted union of the permissions of roles.
	Permissions(ctx context.Context, roles []string) ([]string, error)
}

// Directory is the rest of what administrators edit.
type Directory interface {
	CreateRole(ctx context.Context, r Role, ev Event) error
	RoleByName(ctx context.Context, nameOrID string) (Role, error)
	Roles(ctx context.Context, p Page) ([]Role, string, error)
	// UpdateRole replaces a role. ErrMoved, and nothing has happened, if its
	// permissions are no longer read.
	UpdateRole(ctx context.Context, r Role, read []string, ev Event) error
	DeleteRole(ctx context.Context, id string, ev Event) error // also from every user and member

	CreateOrg(ctx context.Context, o Org, ev Event) error
	OrgByID(ctx context.Context, slugOrID string) (Org, error)
	Orgs(ctx context.Context, p Page) ([]Org, string, error)
	UpdateOrg(ctx context.Context, o Org, ev Event) error // its name
	DeleteOrg(ctx context.Context, id string, ev Event) error
	// PutMember makes or replaces a membership; end as in UpdateUser. ErrMoved, and
	// nothing has happened, if the member's roles are no longer read.
	PutMember(ctx context.Context, m Member, read []string, end *Ending, now time.Time, ev Event) (seq uint64, err error)
	RemoveMember(ctx context.Context, orgID, userID string, end *Ending, now time.Time, ev Event) (seq uint64, err error)
	Members(ctx context.Context, orgID string, p Page) ([]Member, string, error)
	MemberOf(ctx context.Context, orgID, userID string) (Member, error)
	// Memberships answers what a user is a member of, in order of the organisations' ids.
	Memberships(ctx context.Context, userID string) ([]Member, error)

	CreateAPI(ctx context.Context, a API, secret *APISecret, ev Event) error
	APIByAudience(ctx context.Context, audienceOrID string) (API, error)
	APIs(ctx context.Context, p Page) ([]API, string, error)
	// UpdateAPI replaces the row. ErrMoved, and nothing has happened, if the API's
	// UpdatedAt is no longer read.
	UpdateAPI(ctx context.Context, a API, read time.Time, ev Event) error
	DeleteAPI(ctx context.Context, id string, ev Event) error
	// AddAPISecret stores a further secret and lets the older ones live no
	// longer than until. A third live one is a *ConflictError.
	AddAPISecret(ctx context.Context, secret APISecret, until time.Time, ev Event) error
	// APISecrets answers the live secrets, the newest first.
	APISecrets(ctx context.Context, apiID string, now time.Time) ([]APISecret, error)

	CreateClient(ctx context.Context, c Client, secret *ClientSecret, ev Event) error
	ClientByID(ctx context.Context, id string) (Client, error)
	Clients(ctx context.Context, p Page) ([]Client, string, error)
	// UpdateClient replaces the row (but for epoch and mark); read and end as in
	// UpdateUser.
	UpdateClient(ctx context.Context, c Client, read time.Time, end *Ending, now time.Time, ev Event) (seq uint64, err error)
	DeleteClient(ctx context.Context, id string, now time.Time, ev Event) (seq uint64, err error)
	// ClientSecrets answers the live secrets, the newest first.
	ClientSecrets(ctx context.Context, clientID string, now time.Time) ([]ClientSecret, error)
}

// Keys is what the keyring asks of the store.
type Keys interface {
	Keys(ctx context.Context) ([]Key, error)
	// AddKey stores a key. A second KeySign key, or KeyLog key, of one algorithm
	// in state KeySigning, or in KeyNext, or a second KeyTag of one number, is a
	// *ConflictError: two nodes that start or rotate at once agree on one. So is,
	// with FieldRevokedKey, a KeySign key whose kid is in the revocation log.
	AddKey(ctx context.Context, k Key, ev Event) error
	// TurnKey makes an announced key sign in place of the one of its purpose and
	// algorithm that signs, if there is one. That retires: its private part is erased, and it
	// stays published until its mark plus LogMemory, so that no token outlives
	// its key. ErrNotFound if id is not announced (any more).
	TurnKey(ctx context.Context, id string, now time.Time, ev Event) error
	// HastenKey brings forward from when on an announced key, or one that signs,
	// is said to sign. ErrNotFound if id is neither, or signs from then on already.
	HastenKey(ctx context.Context, id string, signsFrom time.Time, ev Event) error
	// RevokeKey ends the use and the publication of a signing key at once,
	// erases its private part, and logs its kid without an end. If then nobody
	// signs for the algorithm, which is also heir's, the announced key does, or
	// else heir, of which began is audited. It answers who signs.
	RevokeKey(ctx context.Context, id string, heir Key, now time.Time, ev, began Event) (seq uint64, successor string, err error)
	// RevokeAllKeys does that to every signing key, announced and retired ones
	// too, removes the tag and log keys and every API's secrets, whose kids are
	// logged as well, and puts heirs in their place. ErrConflict, and nothing has
	// happened, if there is an API that needs a secret and got none.
	RevokeAllKeys(ctx context.Context, heirs Heirs, now time.Time, ev Event) (seq uint64, err error)
	// DropKeys removes the keys whose publication is over.
	DropKeys(ctx context.Context, now time.Time) (n int64, err error)
}

// Log is the revocation log as a table.
type Log interface {
	// Revoke adds an entry (kind, id) with its expiry; the number it got.
	Revoke(ctx context.Context, kind revlog.Kind, id string, expiry time.Time, ev Event) (seq uint64, err error)
	// RevokeToken adds entries with an expiry for one token, by its jti, and for
	// those that were exchanged for it, which have that jti among their epochs. It
	// answers the number of the last.
	RevokeToken(ctx context.Context, jti string, expiry time.Time, ev Event) (seq uint64, err error)
	// LogPage answers the entries after a number, at most limit, with head, first
	// and log id. Numbers have no gaps from first on, so there may be entries that
	// have expired. The page's Proof has the chain before the first entry (or at
	// the head, where there is none) and at the head, and lacks the signature.
	LogPage(ctx context.Context, after uint64, limit int, now time.Time) (revlog.Page, error)
	// Mend looks through all of the log and makes it whole: where numbers are
	// missing or the chain isn't that of the entries, what is alive is numbered
	// anew, above all that there was.
	Mend(ctx context.Context) error
	// Revoked says which of the hashes, each as revlog.Hash makes it, the log holds alive.
	Revoked(ctx context.Context, hashes [][16]byte, now time.Time) (bool, error)
	// Published returns a channel that is closed when the next entry is published.
	Published() <-chan struct{}
}

// Settings are the few values that belong to the whole database.
type Settings interface {
	// Setting answers ErrNotFound for one never set.
	Setting(ctx context.Context, name string) (string, error)
	// SettingOnce stores value if name has none yet and answers what is stored.
	SettingOnce(ctx context.Context, name, value string) (string, error)
}

// Audit reads and writes the audit.
type Audit interface {
	Record(ctx context.Context, ev Event) error
	// Events lists the newest first; Page.Query matches action or target exactly.
	Events(ctx context.Context, p Page) ([]Event, string, error)
}
