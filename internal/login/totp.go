package login

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238 as every authenticator app speaks it
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/valetkey/valetkey/internal/secret"
)

const (
	totpPeriod = 30 // seconds, RFC 6238 §4.1
	totpDigits = 6
	totpKey    = 20 // bytes, RFC 4226 §4 R6
	totpWindow = 1  // steps to each side, RFC 6238 §5.2
	maxFactors = 10 // of a kind that a person may have
	maxLabel   = 60 // characters of a factor's name
)

// totpCode: RFC 4226 §5.3 over RFC 6238 §4.2.
func totpCode(key []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step)) //nolint:gosec // a time after 1970
	mac := hmac.New(sha1.New, key)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	number := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, number%1_000_000)
}

// matchTOTP finds the step of a code, one later than last: RFC 6238 §5.2 lets a
// code be used once. It computes all, whichever fits.
func matchTOTP(key []byte, code string, last int64, now time.Time) (step int64, ok bool) {
	current := now.Unix() / totpPeriod
	for candidate := current - totpWindow; candidate <= current+totpWindow; candidate++ {
		if secret.Equal([]byte(totpCode(key, candidate)), []byte(code)) && candidate > last {
			step, ok = candidate, true
		}
	}
	return step, ok
}

// digits is a code as people type it: in groups, or with another script's
// digits.
func digits(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || r == '-' || unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsDigit(r) && r > unicode.MaxASCII:
			return '0' + digitValue(r)
		}
		return r
	}, norm.NFKC.String(code[:min(len(code), 64)]))
}

// digitValue: Unicode's decimal digits stand in runs of ten that begin at zero.
func digitValue(r rune) rune {
	zero := r
	for unicode.IsDigit(zero-1) && r-zero < 9 {
		zero--
	}
	return r - zero
}

// TOTPEnrolment is an authenticator app that is being set up: what the page
// shows, and what its form brings back.
type TOTPEnrolment struct {
	Key    string // base32, for typing
	URI    string // otpauth://, for the QR code
	Sealed string
}

type sealedTOTP struct {
	Subject string `json:"s"`
	Epoch   int64  `json:"e"`
	Key     []byte `json:"k"`
	At      int64  `json:"t"`
}

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewTOTP begins to set up an authenticator app. Nothing is stored before its
// first code has come back.
func (s *Service) NewTOTP(user User) (TOTPEnrolment, error) {
	key := make([]byte, totpKey)
	_, _ = rand.Read(key)
	content, err := json.Marshal(sealedTOTP{Subject: user.Subject, Epoch: user.Epoch, Key: key, At: s.Now().Unix()})
	if err != nil {
		return TOTPEnrolment{}, err
	}
	return s.showTOTP(user, key, s.box.enrolment.Seal(content, []byte("totp"))), nil
}

// ReopenTOTP shows the same again, after a code that was mistyped.
func (s *Service) ReopenTOTP(user User, sealed string) (TOTPEnrolment, error) {
	t, err := s.openTOTP(user, sealed)
	if err != nil {
		return TOTPEnrolment{}, err
	}
	return s.showTOTP(user, t.Key, sealed), nil
}

func (s *Service) openTOTP(user User, sealed string) (sealedTOTP, error) {
	var t sealedTOTP
	content, err := s.box.enrolment.Open(sealed, []byte("totp"))
	if err != nil || json.Unmarshal(content, &t) != nil || t.Subject != user.Subject || t.Epoch != user.Epoch ||
		s.TooOld(t.At, time.Hour) {
		return t, ErrStale
	}
	return t, nil
}

// showTOTP: the Key URI Format that authenticator apps read.
func (s *Service) showTOTP(user User, key []byte, sealed string) TOTPEnrolment {
	text := base32Text.EncodeToString(key)
	label := url.PathEscape(s.Brand + ":" + user.Username)
	query := url.Values{"secret": {text}, "issuer": {s.Brand}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return TOTPEnrolment{
		Key: text, URI: "otpauth://totp/" + label + "?" + strings.ReplaceAll(query.Encode(), "+", "%20"), Sealed: sealed,
	}
}

// confirmTOTP makes the row of an enrolment whose first code is right.
func (s *Service) confirmTOTP(user User, sealed, code, name string) (*TOTP, error) {
	t, err := s.openTOTP(user, sealed)
	if err != nil {
		return nil, err
	}
	step, ok := matchTOTP(t.Key, digits(code), 0, s.phones())
	if !ok {
		return nil, &Invalid{Field: "otp", Why: "This code isn't right. Codes change every 30 seconds; check that the clock of your phone is right."}
	}
	app := s.rowOfTOTP(user.Subject, name, t.Key, step)
	return &app, nil
}

// ImportTOTP makes the row of an app whose secret another system had. Its next
// code is the first that counts here.
func (s *Service) ImportTOTP(subject, name string, key []byte) TOTP {
	return s.rowOfTOTP(subject, name, key, 0)
}

func (s *Service) rowOfTOTP(subject, name string, key []byte, step int64) TOTP {
	id := secret.NewID()
	return TOTP{ID: id, Subject: subject, Name: label(name, "Authenticator app"), Sealed: []byte(s.box.totp.Seal(key, totpBind(subject, id))), LastStep: step}
}

func totpBind(subject, id string) []byte { return []byte(subject + "\n" + id) }

// phones is the time that authenticator apps go by.
func (s *Service) phones() time.Time {
	if s.Phones != nil {
		return s.Phones()
	}
	return s.Now()
}

// byTOTP finds the app that a code is of.
func (s *Service) byTOTP(ctx context.Context, user User, code string) (Spent, error) {
	apps, err := s.Store.TOTPs(ctx, user.Subject)
	if err != nil {
		return Spent{}, err
	}
	code, now, shown := digits(code), s.Now(), s.phones()
	var found *TOTP
	for _, app := range apps {
		key, err := s.box.totp.Open(string(app.Sealed), totpBind(app.Subject, app.ID))
		if err != nil {
			continue // sealed by a master key that is gone
		}
		if step, ok := matchTOTP(key, code, s.lastStep(app), shown); ok && found == nil {
			found = &TOTP{ID: app.ID, LastStep: step, UsedAt: now}
		}
	}
	if found == nil {
		return Spent{}, ErrWrong
	}
	return Spent{TOTP: found}, nil
}

// label is a factor's name as the person wrote it, or what it is.
func label(name, otherwise string) string {
	name = strings.Join(strings.FieldsFunc(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, "")), unicode.IsSpace), " ")
	if runes := []rune(name); len(runes) > maxLabel {
		name = string(runes[:maxLabel-1]) + "…"
	}
	if name == "" {
		return otherwise
	}
	return norm.NFC.String(name)
}
