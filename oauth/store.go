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
}

// Rotation asks for a refresh token's successor.
type Rotation struct {
	ID           string
	SeedHash     []byte
	From         int64
	At           time.Time
	RefreshUntil time.Time // the successor's own expiry
	ExpiresAt    time.Time
}

// Users tells about people. The built-in implementation is in internal/login;
// an embedder may bring another.
type Users interface {
	// Claims returns what is known of a user under the names of OpenID Connect
	// Core §5.1; ErrNotFound for a user who is gone.
	Claims(ctx context.Context, subject string) (Claims, error)
}
