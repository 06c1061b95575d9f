package imports

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// keycloakOTP is a credential as Keycloak writes it.
func keycloakOTP(label, secret, data string) string {
	return fmt.Sprintf(`{"id":"o","type":"otp","userLabel":%q,"createdDate":1600000000000,"secretData":%q,"credentialData":%q}`,
		label, `{"value":"`+secret+`"}`, data)
}

const usualOTP = `{"subType":"totp","digits":6,"counter":0,"period":30,"algorithm":"HmacSHA1"}`

// TestTOTPs: the secrets of authenticator apps, in each way in which they are
// written down; what our verifier can't do is told of.
func TestTOTPs(t *testing.T) {
	const text = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // 12345678901234567890 of RFC 6238's appendix B
	twenty := []TOTP{{Key: []byte("12345678901234567890")}}
	ours := func(secret string) string { return fmt.Sprintf(`{"username":"ada","totp_secret":%q}`, secret) }
	theirs := func(credentials ...string) string {
		return keycloakUser(`"username":"ada","credentials":[` + strings.Join(credentials, ",") + `]`)
	}
	phone := []TOTP{{Key: []byte("dSFvs4oqk2k6Wkcp1Bvc"), Name: "phone"}}
	for name, tt := range map[string]struct {
		format Format
		file   string
		want   []TOTP
		left   []string
		bad    string
	}{
		"ours":                     {JSONLines, ours(text), twenty, nil, ""},
		"ours, in groups":          {JSONLines, ours("gezd gnbv gy3t qojq gezd-gnbv-gy3t-qojq"), twenty, nil, ""},
		"ours, padded":             {JSONLines, ours("GEZDGNBVGY3TQOJQGE======"), []TOTP{{Key: []byte("12345678901")}}, nil, ""},
		"ours, an address":         {JSONLines, ours("otpauth://totp/Old:ada?secret=" + text + "&issuer=Old&algorithm=sha1&digits=6&period=30"), twenty, nil, ""},
		"ours, empty":              {JSONLines, ours(""), nil, nil, ""},
		"ours, short":              {JSONLines, ours("GEZDGNBV"), nil, nil, "totp_secret: it must be a secret in base32, of 10 to 128 bytes"},
		"ours, long":               {JSONLines, ours(strings.Repeat("GEZDGNBV", 26)), nil, nil, "totp_secret: it must be a secret in base32, of 10 to 128 bytes"},
		"ours, no base32":          {JSONLines, ours("3132333435363738393031323334353637383930"), nil, nil, "totp_secret: it must be a secret in base32"},
		"ours, no address":         {JSONLines, ours("otpauth://totp/%zz"), nil, nil, "totp_secret: it must be a secret in base32"},
		"ours, by a counter":       {JSONLines, ours("otpauth://hotp/x?secret=" + text), nil, nil, "totp_secret: only codes of six digits are taken"},
		"ours, 8 digits":           {JSONLines, ours("otpauth://totp/x?digits=8&secret=" + text), nil, nil, "totp_secret: only codes of six digits are taken"},
		"ours, SHA-256":            {JSONLines, ours("otpauth://totp/x?algorithm=SHA256&secret=" + text), nil, nil, "totp_secret: only codes of six digits are taken"},
		"Keycloak":                 {Keycloak, theirs(keycloakOTP("phone", "dSFvs4oqk2k6Wkcp1Bvc", usualOTP)), phone, nil, ""},
		"Keycloak, two":            {Keycloak, theirs(keycloakOTP("phone", "dSFvs4oqk2k6Wkcp1Bvc", usualOTP), keycloakOTP("", text, strings.Replace(usualOTP, "}", `,"secretEncoding":"BASE32"}`, 1))), append(phone[:1:1], twenty...), nil, ""},
		"Keycloak, another code":   {Keycloak, theirs(keycloakOTP("", text, strings.Replace(usualOTP, "SHA1", "SHA256", 1))), nil, []string{"second factor (otp: 6 digits, 30 seconds, HmacSHA256)"}, ""},
		"Keycloak, 8 digits":       {Keycloak, theirs(keycloakOTP("", text, strings.Replace(usualOTP, `"digits":6`, `"digits":8`, 1))), nil, []string{"second factor (otp: 8 digits, 30 seconds, HmacSHA1)"}, ""},
		"Keycloak, a minute":       {Keycloak, theirs(keycloakOTP("", text, strings.Replace(usualOTP, `:30`, `:60`, 1))), nil, []string{"second factor (otp: 6 digits, 60 seconds, HmacSHA1)"}, ""},
		"Keycloak, by a counter":   {Keycloak, theirs(keycloakOTP("", text, strings.Replace(usualOTP, `totp`, `hotp`, 1))), nil, []string{"second factor (otp: hotp)"}, ""},
		"Keycloak, old":            {Keycloak, theirs(`{"type":"otp","value":"x"}`), nil, []string{"second factor (otp)"}, ""},
		"Keycloak, passkeys":       {Keycloak, theirs(`{"type":"webauthn-passwordless"}`), nil, []string{"second factor (webauthn-passwordless)"}, ""},
		"Keycloak, short":          {Keycloak, theirs(keycloakOTP("", "short", usualOTP)), nil, nil, "credentials[0].secretData.value: it must be a secret of 10 to 128 bytes"},
		"Keycloak, no base32":      {Keycloak, theirs(keycloakOTP("", "1111111111111111", strings.Replace(usualOTP, "}", `,"secretEncoding":"BASE32"}`, 1))), nil, nil, "credentials[0].secretData.value: it must be base32"},
		"Keycloak, other encoding": {Keycloak, theirs(keycloakOTP("", text, strings.Replace(usualOTP, "}", `,"secretEncoding":"HEX"}`, 1))), nil, nil, "credentials[0].credentialData.secretEncoding: it must be BASE32"},
		"Auth0":                    {Auth0, `{"username":"ada","mfa_factors":[{"totp":{"secret":"` + text + `"}},{"phone":{"value":"+1"}}]}`, twenty, []string{"second factor"}, ""},
		"Auth0, wrong":             {Auth0, `{"username":"ada","mfa_factors":[{"totp":{"secret":"no"}}]}`, nil, nil, "mfa_factors[0].totp.secret: it must be a secret in base32"},
	} {
		t.Run(name, func(t *testing.T) {
			users, errs := outcome(t, tt.format, tt.file)
			if tt.bad != "" {
				if len(errs) != 1 || !strings.HasPrefix(errs[0], "line 1: "+tt.bad) || strings.Contains(errs[0], "GEZDG") {
					t.Errorf("%q", errs)
				}
				return
			}
			if len(users) != 1 || errs != nil || !reflect.DeepEqual(users[0].TOTPs, tt.want) || !reflect.DeepEqual(users[0].Left, tt.left) {
				t.Errorf("%+v, %q", users, errs)
			}
		})
	}
}

// TestSubjects: whose id is kept, and when.
func TestSubjects(t *testing.T) {
	for name, tt := range map[string]struct {
		format     Format
		file       string
		asked, not string // the subject with KeepSubjects, and without
	}{
		"ours":      {JSONLines, `{"username":"ada","sub":"u-1"}`, "u-1", "u-1"},
		"ours none": {JSONLines, `{"username":"ada"}`, "", ""},
		"Keycloak":  {Keycloak, keycloakUser(`"username":"ada","id":"f1d2"`), "f1d2", ""},
		"no id":     {Keycloak, keycloakUser(`"username":"ada"`), "", ""},
		"Auth0":     {Auth0, `{"username":"ada","user_id":"auth0|1"}`, "auth0|1", ""},
		"no user":   {Auth0, `{"username":"ada"}`, "", ""},
		"Firebase":  {Firebase, `{"users":[{"email":"a@x.example","localId":"L1"}]}`, "L1", ""},
		"nobody":    {Firebase, `{"users":[{"email":"a@x.example"}]}`, "", ""},
	} {
		for _, keep := range []bool{true, false} {
			o, want := options(t), tt.not
			if o.KeepSubjects = keep; keep {
				want = tt.asked
			}
			for u, err := range Read(strings.NewReader(tt.file), tt.format, o) {
				if refused := err != nil; refused != (keep && want == "") || u.Subject != want {
					t.Errorf("%s, %t: %q, %v", name, keep, u.Subject, err)
				}
			}
		}
	}
}
