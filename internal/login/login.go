// Package login knows people: who is at the browser, how they prove it, and
// for how long we believe it. It decides nothing about clients.
package login

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// User is a person with an account.
type User struct {
	Subject       string // the sub claim; made here, unless it came with an import
	Username      string // as the person writes it
	UsernameKey   string // canonical form, unique; see Canonical
	Email         string
	EmailVerified bool
	Name          string
	Claims        oauth.Claims // further standard claims of OpenID Connect Core §5.1
	Password      string       // PHC string, argon2id unless it was imported; "" for none
	Admin         bool
	Disabled      bool
	Locked        bool // by the owner's own word: only a way back undoes it
	MustChange    bool // a new password is asked for at the next sign-in
	TwoStep       bool // a second factor is asked for after a password
	PictureID     string
	External      bool  // known to an embedder's own user base, not to ours
	Epoch         int64 // raised whenever what hangs off the account must end
	CreatedAt     time.Time
	UpdatedAt     time.Time

	// Memberships are the groups that the person is in, by who says so: "" is
	// the operator, else a connector's name.
	Memberships map[string][]string
}

// Groups are all that the person is in, each once.
func (u User) Groups() []string {
	var out []string
	for _, source := range slices.Sorted(maps.Keys(u.Memberships)) {
		for _, g := range u.Memberships[source] {
			if !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	return out
}

// Record is a browser's session as stored. The cookie holds id and a secret;
// the row holds the secret's hash, so that a copy of it opens nothing.
type Record struct {
	oauth.Session

	SecretHash []byte
	CreatedAt  time.Time
	SeenAt     time.Time // written at most once a minute
	ExpiresAt  time.Time
	EndedAt    time.Time // zero while it isn't
	ProvenAt   time.Time // when a factor was last proven in it; zero when nobody knows
	UserAgent  string
	Address    string

	Upstream    []byte // sealed: what the provider of the sign-in wants at its logout
	UpstreamSID string // these find the session when such a provider ends it; "" for none
	UpstreamSub string
}

// What signing in may answer besides success.
var (
	ErrWrong    = errors.New("wrong username or password") // also: no such user, disabled
	ErrSlowDown = errors.New("too many tries")
	ErrTaken    = errors.New("that username is taken")
	// ErrAddressTaken: another account has proven the address.
	ErrAddressTaken = fmt.Errorf("%w: the address is another account's", oauth.ErrConflict)
	// ErrLastWay refuses to take away the only way in.
	ErrLastWay = errors.New("it is the only way to sign in")
	// ErrStale: somebody proved themselves too long ago for what they want.
	ErrStale = errors.New("a fresh proof is needed")
)
