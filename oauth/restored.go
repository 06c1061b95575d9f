package oauth

import (
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// fromBefore says whether something was made before the database was restored
// from a backup. The database then knows nothing of what happened since that
// backup: what was used once might be used again, what was ended might live. So
// whatever carries its own time and isn't a row is refused. Times are whole
// seconds, and what was made in the very second of the restore counts as before
// it; `valetkey restore` returns when that second is over, so that nothing of the
// restored server's own falls into it.
func (s *Server) fromBefore(made time.Time) bool {
	if s.Restored == nil {
		return false
	}
	restored := s.Restored()
	return !restored.IsZero() && !made.After(restored)
}

// madeAt is when an assertion was made: iat, which RFC 7523 §3 doesn't ask for,
// or nbf, or the earliest at which one that expires then would have been taken.
func (a *assertionClaims) madeAt(longest time.Duration) time.Time {
	for _, at := range []jose.NumericDate{a.IssuedAt, a.NotBefore} {
		if at != 0 {
			return time.Unix(int64(at), 0)
		}
	}
	return time.Unix(int64(a.Expires), 0).Add(-longest)
}

// tooOld says whether a page has been open for too long, or since before a
// restore: the session and the pushed request that it may speak of are gone.
func (s *Server) tooOld(in *Interaction) bool {
	began := time.Unix(in.Began, 0)
	return s.Now().After(began.Add(s.InteractionLifetime)) || s.fromBefore(began)
}
