package login

import "time"

// TooOld says of what was sealed at a time, in Unix seconds, whether its life is
// over, or whether it is from before the database was restored from a backup: what
// it says was used once may be forgotten. What was sealed in the very second of
// the restore counts as before it.
func (s *Service) TooOld(at int64, life time.Duration) bool {
	made := time.Unix(at, 0)
	restored := s.restored()
	return s.Now().Sub(made) > life || !restored.IsZero() && !made.After(restored)
}

func (s *Service) restored() (at time.Time) {
	if s.Restored != nil {
		at = s.Restored()
	}
	return at
}

// lastStep is the newest step of an authenticator app that may have been used:
// those before a restore are forgotten.
func (s *Service) lastStep(app TOTP) int64 {
	restored := s.restored()
	if restored.IsZero() {
		return app.LastStep
	}
	return max(app.LastStep, restored.Unix()/totpPeriod)
}
