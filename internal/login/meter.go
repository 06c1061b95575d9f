package login

import (
	"context"
	"errors"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// Meter is told how sign-ins end, to be counted.
type Meter interface {
	// SignedIn: a sign-in by a way ended with "ok", or with why not.
	SignedIn(way, outcome string)
}

// judged counts a way in that led nowhere. One that leads on is counted when it
// has become a session.
func (s *Service) judged(way string, err *error) {
	if s.Meter != nil && *err != nil {
		s.Meter.SignedIn(way, outcome(*err))
	}
}

// outcome is a word for the counters: one of a few, whatever was typed.
func outcome(err error) string {
	var unlinked *Unlinked
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrWrong), errors.Is(err, upstream.ErrWrong):
		return "wrong"
	case errors.Is(err, ErrSlowDown):
		return "slowed"
	case errors.Is(err, secret.ErrBusy):
		return "busy"
	case errors.Is(err, ErrStale), errors.Is(err, oauth.ErrEnded):
		return "stale"
	case errors.As(err, &unlinked):
		return "unlinked"
	case errors.Is(err, context.Canceled):
		return "gone"
	}
	return "failed"
}

// wayOf is the name of a second factor; what a form says besides is no name.
func wayOf(kind string) string {
	switch kind {
	case WayTOTP, WayRecovery, WayPasskey:
		return kind
	}
	return "unknown"
}
