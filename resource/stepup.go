package resource

import (
	"net/http"
	"slices"
	"time"
)

// StepUp is how, and how lately, a user must have signed in (RFC 9470).
type StepUp struct {
	// ACR are the authentication contexts that will do; none: any. Valet Key
	// knows "1", for one factor, and "2", for two.
	ACR []string
	// MaxAge is how long ago it may be, in whole seconds; zero: any time.
	MaxAge time.Duration
}

// RequireAuth is Require for what needs more than a session from last week: a
// payment, a change of password. Whose sign-in doesn't do is told by which
// acr_values and max_age to ask the authorization server (RFC 9470 §3).
func (a *API) RequireAuth(step StepUp, scopes ...string) func(http.Handler) http.Handler {
	return a.require(scopes, func(t *Token) error {
		if err := t.permits(scopes); err != nil {
			return err
		}
		return step.permits(t, a.c.Now().Add(-a.c.Leeway))
	})
}

// permits: a token that doesn't tell is one that doesn't do.
func (s StepUp) permits(t *Token, now time.Time) error {
	switch {
	case len(s.ACR) > 0 && !slices.Contains(s.ACR, t.ACR):
		return s.refusal("another way of signing in is needed")
	case s.MaxAge > 0 && (t.AuthTime.IsZero() || now.Sub(t.AuthTime) > s.MaxAge):
		return s.refusal("a more recent sign-in is needed")
	}
	return nil
}

func (s StepUp) refusal(description string) error {
	return &refusal{status: http.StatusUnauthorized, code: "insufficient_user_authentication", description: description, step: s}
}
