package oauth

import (
	"context"
	"time"
)

// Store remembers. Its verbs are the protocol's, each atomic; none can be
// built from a read and a later write. It answers ErrNotFound, ErrReplayed,
// ErrConflict, ErrEnded and ErrUnavailable.
type Store interface {
	// Client finds a client, from a cache that is at most 2 s behind.
	Client(ctx context.Context, id string) (*Client, error)
	// Catalog returns the declared scopes and resources, OpenID Connect's own
	// included, from the same cache.
	Catalog(ctx context.Context) (*Catalog, error)

	// Consent returns what was agreed; the zero Consent when nothing ever was.
	// A withdrawn consent has no scopes and a raised epoch.
	Consent(ctx context.Context, subject, clientID string) (Consent, error)
	// Agree adds scopes to a consent, or makes it, and returns it as it stands.
	Agree(ctx context.Context, c Consent) (Consent, error)

	// Issue inserts the authorization under the id that its code carried, if
	// the epochs of its user, client and consent still hold and its session
	// isn't ended. ErrReplayed: the id is there already. ErrEnded: it may not
	// be any more.
	Issue(ctx context.Context, a Authorization) error
	// Authorization returns the record with Live telling whether every epoch
	// holds, its session stands (or it is offline) and it wasn't ended.
	Authorization(ctx context.Context, id string) (Authorization, error)
	// TokenAuthorization returns what is left of the authorization that a token hangs off:
	// its Scopes and Claims and nothing else. ErrEnded: it isn't live, or the
	// token was revoked by itself.
	TokenAuthorization(ctx context.Context, id, tokenID string) (Authorization, error)
	// Rotate moves a live authorization, whose generation is at most from,
	// to generation from+1 and returns it as it then stands. ErrConflict: the
	// generation is above from. ErrEnded: it isn't live, its seed is another,
	// or its refresh tokens have expired.
	Rotate(ctx context.Context, r Rotation) (Authorization, error)
	// EndAuthorization ends a record for a reason; the first reason stays.
	EndAuthorization(ctx context.Context, id, reason string, at time.Time) error

	// RevokeToken ends a single access token until it expires by itself.
	RevokeToken(ctx context.Context, tokenID string, until time.Time) error
	TokenRevoked(ctx context.Context, tokenID string) (bool, error)

	// UseOnce records that (kind, owner, id) was used; ErrReplayed the second
	// time. The row is kept until until plus twice the clock skew.
	UseOnce(ctx context.Context, kind, owner, id string, until time.Time) error
	// Park keeps content that is too long for a URL; Parked returns it.
	Park(ctx context.Context, handle string, content []byte, until time.Time) error
	Parked(ctx context.Context, handle string) ([]byte, error)

	PushedStore
	DeviceStore
	RegistrationStore
	LogoutStore

	// Prolong moves the time until which a live authorization's refresh token is
	// good, without a new generation. ErrEnded: it isn't live, or its seed is
	// another.
	Prolong(ctx context.Context, id string, seedHash []byte, refreshUntil, expiresAt time.Time) error
	// Revocations lists what was revoked at or after a time, oldest first.
	Revocations(ctx context.Context, since time.Time) ([]Revocation, error)
	// PairwiseSalt returns the 32 random bytes that pairwise subjects are
	// computed with: made at first use, the same for ever and on every node.
	PairwiseSalt(ctx context.Context) ([]byte, error)
}

// PushedStore keeps pushed authorization requests: RFC 9126.
type PushedStore interface {
	// Push keeps a request. ErrConflict: its client, or of it this address, has as
	// many live ones already; 0 is no cap.
	Push(ctx context.Context, p PushedRequest, perClient, perAddress int) error
	// Pushed returns a request until KeepUntil, spent or not; ErrNotFound after.
	Pushed(ctx context.Context, handle string) (PushedRequest, error)
	// SpendPushed marks it as used up; ErrReplayed the second time.
	SpendPushed(ctx context.Context, handle string) error
}

// PushedRequest is a row of PushedStore.
type PushedRequest struct {
	Handle    string
	ClientID  string
	Address   string // the network that it came from
	Content   []byte
	ExpiresAt time.Time // after it nobody may begin with it
	KeepUntil time.Time // until then one who began may end
	Spent     bool
}

// DeviceStore keeps device authorizations: RFC 8628. Codes come as hashes.
type DeviceStore interface {
	// StartDevice keeps a new one. ErrConflict: client or address has too many
	// that wait. ErrReplayed: the user code is another's.
	StartDevice(ctx context.Context, d Device, perClient, perAddress int) error
	// DeviceByUserCode finds one that hasn't expired, decided or not.
	DeviceByUserCode(ctx context.Context, userHash []byte) (Device, error)
	// PollDevice notes a poll and returns the row as it then stands. A poll
	// sooner than Interval after the one before is TooSoon and raises Interval
	// by 5 s for good. ErrNotFound: no such code of this client; an expired one
	// is still found until it is swept.
	PollDevice(ctx context.Context, deviceHash []byte, clientID string, at time.Time) (Device, error)
	// DecideDevice records the first decision; ErrConflict for a later one,
	// ErrNotFound when there is none to decide or it has expired.
	DecideDevice(ctx context.Context, userHash []byte, decision DeviceDecision, grant []byte, at time.Time) error
}

// DeviceDecision is what a person answered.
type DeviceDecision string

// The decisions; DevicePending is none yet.
const (
	DevicePending  DeviceDecision = ""
	DeviceApproved DeviceDecision = "approved"
	DeviceDenied   DeviceDecision = "denied"
)

// Device is a row of DeviceStore.
type Device struct {
	DeviceHash []byte // the key
	UserHash   []byte // unique
	ClientID   string
	Address    string // where the device asked from
	Content    []byte // what was asked for
	Interval   int64  // seconds between polls
	PolledAt   time.Time
	CreatedAt  time.Time
	ExpiresAt  time.Time
	Decision   DeviceDecision
	Grant      []byte // what was approved
	TooSoon    bool   // computed by PollDevice
}

// RegistrationStore keeps clients that register themselves: RFC 7591, Client ID
// Metadata Documents.
type RegistrationStore interface {
	// RegisterClient inserts a client. When there are limit registered ones that
	// were never used, the oldest of those make room; ErrConflict when all of
	// them are younger than an hour.
	RegisterClient(ctx context.Context, c *Client, limit int) error
	// ReplaceClient writes metadata and logo, takes verified and first-party away
	// where c hasn't them, and with secret writes the secret, which else stays as
	// it is in the row, whatever c has. With end, all that hangs off the client ends.
	ReplaceClient(ctx context.Context, c *Client, secret, end bool) error
	// DeleteClient removes it; its id is never given out again.
	DeleteClient(ctx context.Context, id string) error
	// KeepDocument inserts the row of a client whose id is a URL, or brings its
	// metadata up to date, and returns it as it stands. With changed, whoever
	// agreed before is asked again (their consents forget their session), and the
	// operator no longer vouches for it (verified, first-party). With end, all
	// that hangs off the client ends.
	KeepDocument(ctx context.Context, c *Client, changed, end bool) (*Client, error)
	// SpendInitialToken counts one use of an initial access token; ErrNotFound
	// when it is unknown, used up or expired.
	SpendInitialToken(ctx context.Context, hash []byte, at time.Time) error
}

// InitialToken lets a client register itself: RFC 7591 §3.
type InitialToken struct {
	ID        string
	Hash      []byte // SHA-256 of the token
	Note      string // whom it is for, in the operator's words
	UsesLeft  int64
	CreatedAt time.Time
	ExpiresAt time.Time
}

// LogoutStore keeps what apps must be told of ended sessions: OpenID Connect
// Back-Channel Logout.
type LogoutStore interface {
	// SessionClients lists the clients that were given something in a session,
	// ended or not.
	SessionClients(ctx context.Context, subject, sessionID string) ([]string, error)
	// QueueLogouts keeps deliveries until they are done or ExpiresAt.
	QueueLogouts(ctx context.Context, deliveries []LogoutDelivery) error
	// TakeLogouts gives up to n deliveries that are due to the caller alone,
	// by moving their DueAt to lease; another node finds them then.
	TakeLogouts(ctx context.Context, now, lease time.Time, n int) ([]LogoutDelivery, error)
	// LogoutDone forgets a delivery.
	LogoutDone(ctx context.Context, id string) error
	// LogoutFailed counts a try and says when the next is due.
	LogoutFailed(ctx context.Context, id string, due time.Time) error
}

// LogoutDelivery is one app to be told that one session ended.
type LogoutDelivery struct {
	ID        string
	ClientID  string
	Subject   string // the person's own, not pairwise
	SessionID string
	Tries     int64
	DueAt     time.Time
	ExpiresAt time.Time
}

// Revocation is an entry of the revocation feed: tokens that must not be
// accepted any more although their time has not come. One of the three is set.
type Revocation struct {
	Authorization string    // every token whose jti begins with it and a dot
	Token         string    // the token with this jti
	ClientID      string    // the client's own tokens, issued until At
	At            time.Time // when it was revoked
	Narrowed      bool      // only tokens issued until At: a scope was taken back and the authorization lives on
}

// Once is a proof that works one time, such as a DPoP proof.
type Once struct {
	Kind, Owner, ID string
	Until           time.Time // how long it would be good
}

// Consent is what a person agreed to remember for next time.
type Consent struct {
	Subject   string
	ClientID  string
	Scopes    []string
	Declined  []string  // optional ones that were left unticked
	SessionID string    // the session in which it was last given
	Epoch     int64     // raised when it is withdrawn or narrowed; 0: never given
	GrantedAt time.Time // zero when it was withdrawn
	UpdatedAt time.Time
}

// Authorization is the record that a person let a client act; tokens hang off
// it. One row, however often it is refreshed.
type Authorization struct {
	ID        string
	ClientID  string
	Subject   string
	SessionID string
	Scopes    []string
	Resources []string
	Claims    *ClaimsRequest
	AuthTime  time.Time
	ACR       string
	AMR       []string
	Offline   bool // survives the end of its session

	UserEpoch    int64
	ClientEpoch  int64
	ConsentEpoch int64

	CreatedAt time.Time
	ExpiresAt time.Time // the last moment any of its tokens lives; when the row may go

	// The refresh token's family; SeedHash is empty when none was issued.
	SeedHash     []byte // SHA-256 of the seed
	Generation   int64
	RotatedAt    time.Time // when Generation was reached
	RefreshUntil time.Time // after it the current refresh token is refused

	EndedAt   time.Time // zero while it isn't
	EndReason string
	Live      bool // computed by the store at reading

	Proofs []Once // used up by Issue in the same transaction; ErrProofUsed when one was before
}

// Rotation asks for a refresh token's successor.
type Rotation struct {
	ID           string
	SeedHash     []byte
	From         int64
	At           time.Time
	RefreshUntil time.Time // the successor's own expiry
	ExpiresAt    time.Time
	Proofs       []Once // used up in the same transaction; ErrProofUsed when one was before
}

// Users tells about people. The built-in implementation is in internal/login;
// an embedder may bring another.
type Users interface {
	// Claims returns what is known of a user under the names of OpenID Connect
	// Core §5.1; ErrNotFound for a user who is gone.
	Claims(ctx context.Context, subject string) (Claims, error)
}
