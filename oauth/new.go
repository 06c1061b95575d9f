package oauth

import (
	"context"
	"log/slog"
	"time"

	"github.com/valetkey/valetkey/internal/dpop"
)

// New fills the tables and lifetimes that were left zero and returns s ready
// to decide.
func New(s Server) *Server {
	s.boxes = boxes{
		interaction: s.Seal.Box("interaction", ""),
		sender:      s.Seal.Box("interaction-app", ""),
		code:        s.Seal.Box("code", "ac_"),
		access:      s.Seal.Box("access", "at_"),
		pushed:      s.Seal.Box("pushed", ""),
		device:      s.Seal.Box("device", ""),
		secret:      s.Seal.Box("client-secret", ""),
		refresh:     s.Seal.MAC("refresh"),
		userCode:    s.Seal.MAC("user-code"),
	}
	s.nonces = dpop.NewNonces(s.Seal.Derive("dpop-nonce"))
	if s.Steps == nil {
		s.Steps = steps()
	}
	if s.Grants == nil {
		s.Grants = grants()
	}
	if s.Methods == nil {
		s.Methods = methods()
	}
	if s.ACRs == nil {
		s.ACRs = []string{acrOneFactor, acrTwoFactors}
	}
	if s.Locales == nil {
		s.Locales = []string{"en"}
	}
	setDefault(&s.CodeLifetime, time.Minute)
	setDefault(&s.AccessLifetime, 10*time.Minute)
	setDefault(&s.IDTokenLifetime, 10*time.Minute)
	setDefault(&s.RefreshIdle, 90*24*time.Hour)
	setDefault(&s.InteractionLifetime, time.Hour)
	setDefault(&s.PushedLifetime, 90*time.Second)
	setDefault(&s.DeviceLifetime, 10*time.Minute)
	if s.Registration == "" {
		s.Registration = RegistrationClosed
	}
	if s.RegistrationProfile == "" {
		s.RegistrationProfile = ProfileCompatible
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.repeats = newRepeats()
	s.keySets = newKeySets()
	s.documents = newDocuments()
	s.limits = newLimits()
	s.feed = newFeed()
	return &s
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// notify tells whoever listens; the time is filled in here.
func (s *Server) notify(ctx context.Context, e Event) {
	if s.Notify == nil {
		return
	}
	e.At = s.Now()
	s.Notify(ctx, e)
}
