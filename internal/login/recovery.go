package login

import (
	"context"
	"crypto/rand"
	"strings"

	"golang.org/x/text/unicode/norm"
)

const (
	recoveryCodes = 10
	recoveryBytes = 8 // 13 characters: 64 bits
)

// newRecovery makes a set of recovery codes: what the person sees once, and what
// is kept. A copy of the database can't be searched for them: their tags are
// under the master secret.
func (s *Service) newRecovery(subject string) (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		b := make([]byte, recoveryBytes)
		_, _ = rand.Read(b)
		text := strings.ToLower(base32Text.EncodeToString(b))
		codes = append(codes, text[:4]+"-"+text[4:8]+"-"+text[8:])
		hashes = append(hashes, s.recoveryHash(subject, text))
	}
	return codes, hashes
}

func (s *Service) recoveryHash(subject, code string) []byte {
	id, tag := s.box.recovery.Sum([]byte(subject), []byte(code))
	return append(id[:], tag[:]...)
}

// plainRecovery is a code as people copy it: in capitals, with other hyphens,
// with a 0 for an o and an 8 for a b. Base 32 has neither digit.
func plainRecovery(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '0':
			return 'o'
		case r == '1':
			return 'i'
		case r == '8':
			return 'b'
		case r >= 'a' && r <= 'z', r >= '2' && r <= '7':
			return r
		}
		return -1
	}, strings.ToLower(norm.NFKC.String(code[:min(len(code), 64)])))
}

// byRecovery finds the unused code that was given.
func (s *Service) byRecovery(ctx context.Context, user User, code string) (Spent, int, error) {
	kept, err := s.Store.RecoveryCodes(ctx, user.Subject)
	if err != nil {
		return Spent{}, 0, err
	}
	code, left := plainRecovery(code), 0
	var found []byte
	for _, c := range kept {
		if !c.UsedAt.IsZero() || len(c.Hash) < 4 {
			continue
		}
		left++
		if s.box.recovery.Verify([4]byte(c.Hash[:4]), c.Hash[4:], []byte(user.Subject), []byte(code)) {
			found = c.Hash
		}
	}
	if found == nil {
		return Spent{}, left, ErrWrong
	}
	return Spent{Recovery: found, At: s.Now()}, left - 1, nil
}

// RecoveryLeft counts the codes that still work.
func (s *Service) RecoveryLeft(ctx context.Context, subject string) (int, error) {
	kept, err := s.Store.RecoveryCodes(ctx, subject)
	left := 0
	for _, c := range kept {
		if c.UsedAt.IsZero() {
			left++
		}
	}
	return left, err
}
