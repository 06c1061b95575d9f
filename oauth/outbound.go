package oauth

import (
	"context"
	"time"
)

// Outbound fetches what others publish and tells them what happened, through
// one guarded client: https, no private addresses, no redirects, 5 s, and a
// limit on size. CONTRACT §4, decision 14.
type Outbound interface {
	// Get fetches a document of at most limit bytes that is answered with 200
	// and Content-Type in types.
	Get(ctx context.Context, address string, limit int64, types ...string) (Document, error)
	// Post sends a form; an answer outside 200 to 204 is an error.
	Post(ctx context.Context, address string, form map[string]string) error
}

// Document is what Get fetched.
type Document struct {
	Body   []byte
	MaxAge time.Duration // how long the answer says it may be kept; 0 when it doesn't say
}

// Directory finds people for grants in which nobody signs in. The built-in
// user base is one.
type Directory interface {
	// Lookup finds an enabled user by "subject", "username" or "email" (a
	// verified one); ErrNotFound when there is none.
	Lookup(ctx context.Context, by, value string) (subject string, epoch int64, err error)
	// Groups are those that a person is in now.
	Groups(ctx context.Context, subject string) ([]string, error)
}
