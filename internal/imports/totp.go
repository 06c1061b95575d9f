package imports

import (
	"encoding/base32"
	"net/url"
	"strings"
)

// TOTP is an authenticator app, whose codes are those that all such apps make:
// RFC 6238 with SHA-1, six digits, thirty seconds.
type TOTP struct {
	Key  []byte
	Name string // as its owner called it; "" for none
}

// Bounds of a secret in bytes. RFC 4226 §4 R6 wants 16; many systems gave 10.
const (
	minKey   = 10
	maxKey   = 128
	maxTOTPs = 10 // as many as an account may have
)

const totpWords = "it must be a secret in base32, of 10 to 128 bytes, or an otpauth:// address with one" //nolint:gosec // words about one

// otherCodes says what our verifier can't do.
const otherCodes = "only codes of six digits are taken, that change every 30 seconds and are made by SHA-1; leave it out, so that its owner sets one up anew"

// totp reads a secret as people copy it, or the address in a QR code: Key URI
// Format.
func (r *row) totp(name string) []TOTP {
	text := r.text(name)
	if text == "" {
		return nil
	}
	if strings.HasPrefix(text, "otpauth:") {
		secret, ok := r.keyURI(name, text)
		if !ok {
			return nil
		}
		text = secret
	}
	key, err := readBase32(text)
	if err != nil || !keyFits(key) {
		r.refuse(name, totpWords)
		return nil
	}
	return []TOTP{{Key: key}}
}

func (r *row) keyURI(name, text string) (secret string, ok bool) {
	at, err := url.Parse(text)
	if err != nil {
		r.refuse(name, totpWords)
		return "", false
	}
	q := at.Query()
	for param, usual := range map[string]string{"algorithm": "SHA1", "digits": "6", "period": "30"} {
		if value := q.Get(param); value != "" && !strings.EqualFold(value, usual) {
			r.refuse(name, otherCodes)
			return "", false
		}
	}
	if at.Host != "totp" {
		r.refuse(name, otherCodes)
		return "", false
	}
	return q.Get("secret"), true
}

// readBase32: RFC 4648 §6, in either case, in groups, with or without padding.
func readBase32(text string) ([]byte, error) {
	text = strings.NewReplacer(" ", "", "-", "").Replace(strings.ToUpper(text))
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(text, "="))
}

func keyFits(key []byte) bool { return len(key) >= minKey && len(key) <= maxKey }

// keycloakTOTP reads org.keycloak.models.credential.OTPCredentialModel: the secret
// is the text itself, unless it is said to be base32. What we can't verify is left
// to be set up anew: it is a whole realm's policy, and nobody's fault.
func keycloakTOTP(c *row, u *User) {
	data, value := c.inner("credentialData"), c.inner("secretData")
	if data == nil || value == nil {
		return
	}
	digits, period, algorithm := data.id("digits"), data.id("period"), data.text("algorithm")
	switch subType := data.text("subType"); {
	case subType != "totp":
		u.left("second factor (otp: " + subType + ")")
		return
	case digits != "6" || period != "30" || algorithm != "HmacSHA1":
		u.left("second factor (otp: " + digits + " digits, " + period + " seconds, " + algorithm + ")")
		return
	case len(u.TOTPs) == maxTOTPs:
		u.left("second factor (otp: more than 10)")
		return
	}
	key := []byte(value.text("value"))
	switch encoding := data.text("secretEncoding"); {
	case strings.EqualFold(encoding, "base32"):
		var err error
		if key, err = readBase32(string(key)); err != nil {
			value.refuse("value", "it must be base32, as secretEncoding says")
			return
		}
	case encoding != "":
		data.refuse("secretEncoding", "it must be BASE32, or be left out")
		return
	}
	if !keyFits(key) {
		value.refuse("value", "it must be a secret of 10 to 128 bytes")
		return
	}
	u.TOTPs = append(u.TOTPs, TOTP{Key: key, Name: c.text("userLabel")})
}

// auth0TOTP reads the factors of Auth0's import schema; its exports have none.
func auth0TOTP(r *row, u *User) {
	for _, c := range r.children("mfa_factors") {
		app := c.child("totp")
		switch {
		case app == nil || !app.has("secret"), len(u.TOTPs) == maxTOTPs:
			u.left("second factor")
		default:
			u.TOTPs = append(u.TOTPs, app.totp("secret")...)
		}
	}
}
