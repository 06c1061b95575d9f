package login

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/oauth"
)

// Store keeps people and what they prove themselves with. oauth's errors are
// its errors.
type Store interface {
	Users
	Factors
	Sessions

	// PutLink keeps a link in place of an older one of its kind and owner, and
	// queues the letter that carries it.
	PutLink(ctx context.Context, l Link, letters ...mail.Row) error
	// Link looks at one; ErrNotFound when it was used, replaced or has expired.
	Link(ctx context.Context, kind LinkKind, hash []byte, now time.Time) (Link, error)
	// TryCode counts a try at the code of a link and answers the link as it then
	// is; ErrNotFound when there is none, or no try is left.
	TryCode(ctx context.Context, kind LinkKind, owner string, now time.Time) (Link, error)

	Activities(ctx context.Context, subject string, limit int) ([]Activity, error)
	Note(ctx context.Context, a Activity, letters ...mail.Row) error
}

// Users are the accounts.
type Users interface {
	User(ctx context.Context, subject string) (User, error)
	UserByName(ctx context.Context, usernameKey string) (User, error)
	UserByEmail(ctx context.Context, emailKey string) (User, error)
	// CreateUser inserts; ErrConflict when the canonical username is taken. With
	// it comes what else belongs to the account from the start.
	CreateUser(ctx context.Context, u User, with ...Change) error
	// UpdateUser writes name, email, claims and admin; never password or epoch.
	UpdateUser(ctx context.Context, u User) error
	// EditProfile writes a person's name and further claims as edit makes them of
	// what they are, and notes it. edit may be called twice.
	EditProfile(ctx context.Context, subject string, at time.Time, edit func(name string, claims oauth.Claims) (string, oauth.Claims), a Activity) error
	// SetMemberships replaces the groups that one source says.
	SetMemberships(ctx context.Context, subject, source string, groups []string) error
	// Rehash replaces the stored hash of an unchanged password; nothing ends.
	Rehash(ctx context.Context, subject, old, phc string) error
	// DisableUser and EnableUser raise the epoch; ErrConflict for the last admin.
	DisableUser(ctx context.Context, subject string, at time.Time) error
	EnableUser(ctx context.Context, subject string, at time.Time) error
	// DeleteUser removes the row and what hangs off it; its epoch can never hold
	// again. ErrConflict for the last admin.
	DeleteUser(ctx context.Context, subject string, letters ...mail.Row) error
	// Apply makes a change to how a person proves themselves, all of it or
	// nothing, and answers the account's epoch.
	Apply(ctx context.Context, c Change) (epoch int64, err error)
}

// Factors are what people prove themselves with besides a password.
type Factors interface {
	Passkeys(ctx context.Context, subject string) ([]Passkey, error)
	Passkey(ctx context.Context, id []byte) (Passkey, error)
	TOTPs(ctx context.Context, subject string) ([]TOTP, error)
	RecoveryCodes(ctx context.Context, subject string) ([]RecoveryCode, error)
	Identities(ctx context.Context, subject string) ([]Identity, error)
	Identity(ctx context.Context, issuer, upstream string) (Identity, error)
	Browser(ctx context.Context, subject string, hash []byte) (Browser, error)
	Browsers(ctx context.Context, subject string) ([]Browser, error)
	// Spend uses up proofs that lead to no session yet; ErrReplayed when one was
	// used before.
	Spend(ctx context.Context, subject string, spent ...Spent) error
}

// Sessions are the browsers' logins.
type Sessions interface {
	// StartSession inserts a session if the user's epoch still is its UserEpoch,
	// ends the one that it replaces, and uses up what proved it, in one step;
	// ErrReplayed when a proof was used before.
	StartSession(ctx context.Context, s Start) error
	// Relogin gives an existing session of the same user a new secret, auth_time,
	// acr and amr, raises Logins and returns it.
	Relogin(ctx context.Context, s Start) (Record, error)
	// StepUp gives it a new secret, acr and amr; auth_time and Logins stay, since
	// nobody signed in anew.
	StepUp(ctx context.Context, s Start) (Record, error)
	// Session returns a session that is not ended, not expired at now, and
	// whose user's epoch holds; else ErrNotFound.
	Session(ctx context.Context, id string, now time.Time) (Record, error)
	Sessions(ctx context.Context, subject string, now time.Time) ([]Record, error)
	// UpstreamSessions finds those that stand under a key of another provider's.
	UpstreamSessions(ctx context.Context, key string, now time.Time) ([]Record, error)
	// EndSession ends it, its unredeemed codes, and its authorizations that
	// are not Offline. Ending one that is ended is no error.
	EndSession(ctx context.Context, id string, at time.Time) error
	// SessionSeen notes that a session is in use; lazily, at most once a minute.
	SessionSeen(id string, at time.Time)
}

// Start is a session to begin, with all that is written beside it.
type Start struct {
	Record

	Replaces string  // the session that ends in its place, "" for none
	Spent    []Spent // what proved it
	Browser  Browser // remembered as this person's; Hash nil: not
	Identity *Identity
	Activity *Activity
	Letters  []mail.Row
}

// Spent is what a proof uses up. One of its fields is set; beside a passkey also
// Once, for its challenge.
type Spent struct {
	TOTP     *TOTP    // ID and LastStep: the step of the code
	Recovery []byte   // the code's hash
	Passkey  *Passkey // ID, Credential, SignCount as they are now, UsedAt …
	Was      uint32   // the passkey's counter as it was read
	Link     *Link    // Kind and Hash
	Once     *oauth.Once
	At       time.Time
}

// Change is one change to how a person proves themselves. Fields left nil stay.
type Change struct {
	Subject string
	Epoch   int64 // must hold still; 0: any
	At      time.Time

	// Ends raises the epoch: every session ends but Keep, every token, and no
	// browser is trusted any more.
	Ends bool
	Keep string

	Spent []Spent // ErrReplayed when one was used before

	Password   *string // PHC; "" takes it away
	MustChange *bool
	Locked     *bool
	TwoStep    *bool
	Email      *string // with EmailVerified
	Verified   bool

	AddPasskey     *Passkey // ErrConflict when the credential is anybody's
	RenamePasskey  *Passkey // ID and Name
	RemovePasskey  []byte
	AddTOTP        *TOTP
	RemoveTOTP     string
	Recovery       [][]byte // replaces every code; empty and not nil: none
	AddIdentity    *Identity
	RemoveIdentity *Identity // Issuer and Upstream
	Memberships    *Membership
	ForgetBrowsers bool
	DropFactors    bool // every passkey and authenticator app goes

	// Leaves are the kinds of ways in of which one must be left; nil: no matter.
	// ErrLastWay otherwise.
	Leaves *Ways

	Activity *Activity
	Letters  []mail.Row
}

// Membership is what one source says of a person's groups.
type Membership struct {
	Source string
	Groups []string
}

// Ways says which kinds of ways in count as one, when one is taken away.
type Ways struct {
	Password   bool
	Passkey    bool
	Mail       bool     // a verified address
	Connectors []string // an identity of one of these
}
