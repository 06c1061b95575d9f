package jose_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/jose"
)

func signHMAC(header, payload string, key []byte) string {
	input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return input + "." + b64.EncodeToString(mac.Sum(nil))
}

// The example of RFC 7515 A.1.
func TestVerifyHMACExample(t *testing.T) {
	const token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	key, err := b64.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jose.VerifyHMAC(token, []string{"JWT"}, key)
	if err != nil || !strings.HasPrefix(string(payload), `{"iss":"joe"`) {
		t.Errorf("%s, %v", payload, err)
	}
}

// Cases 120, 122, 126 and 134, for a shared key.
func Test120And122And126HMAC(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	public := []byte(strings.Repeat("p", 32))
	good := signHMAC(`{"alg":"HS256"}`, `{"a":1}`, key)
	asymmetric := sign(t, fresh(t, jose.EdDSA), "", `{"a":1}`)
	tests := []struct {
		name, token string
		key         []byte
		want        string
	}{
		{"good", good, key, "ok"},
		{"typ JWT", signHMAC(`{"alg":"HS256","typ":"JWT"}`, `{}`, key), key, "ok"},
		{"typ of an assertion", signHMAC(`{"alg":"HS256","typ":"client-authentication+jwt"}`, `{}`, key), key, "ok"},
		{"a kid", signHMAC(`{"alg":"HS256","kid":"x"}`, `{}`, key), key, "ok"},
		{"another key", good, public, "invalid"},
		{"no key", signHMAC(`{"alg":"HS256"}`, `{}`, nil), nil, "invalid"},
		{"a short key", signHMAC(`{"alg":"HS256"}`, `{}`, key[:31]), key[:31], "invalid"},
		{"HS384", signHMAC(`{"alg":"HS384"}`, `{}`, key), key, "invalid"},
		{"hs256", signHMAC(`{"alg":"hs256"}`, `{}`, key), key, "invalid"},
		{"none", signHMAC(`{"alg":"none"}`, `{}`, key), key, "invalid"},
		{"no alg", signHMAC(`{}`, `{}`, key), key, "invalid"},
		{"EdDSA", asymmetric, key, "invalid"},
		{"another typ", signHMAC(`{"alg":"HS256","typ":"at+jwt"}`, `{}`, key), key, "invalid"},
		{"crit", signHMAC(`{"alg":"HS256","crit":["x"]}`, `{}`, key), key, "invalid"},
		{"b64", signHMAC(`{"alg":"HS256","b64":false}`, `{}`, key), key, "invalid"},
		{"zip", signHMAC(`{"alg":"HS256","zip":"DEF"}`, `{}`, key), key, "invalid"},
		{"alg twice", signHMAC(`{"alg":"none","alg":"HS256"}`, `{}`, key), key, "invalid"},
		{"padding", good + "=", key, "invalid"},
		{"newline", good + "\n", key, "invalid"},
		{"stray bits", good[:len(good)-1] + flipLast(good[len(good)-1:]), key, "invalid"},
		{"no signature", good[:strings.LastIndexByte(good, '.')+1], key, "invalid"},
		{"half a signature", good[:len(good)-20], key, "invalid"},
		{"17 KiB", signHMAC(`{"alg":"HS256"}`, `{"a":"`+strings.Repeat("a", 17<<10)+`"}`, key), key, "invalid"},
	}
	for _, tt := range tests {
		payload, err := jose.VerifyHMAC(tt.token, []string{"", "JWT", "client-authentication+jwt"}, tt.key)
		got := "ok"
		if errors.Is(err, jose.ErrInvalid) && payload == nil {
			got = "invalid"
		} else if err != nil || payload == nil {
			t.Errorf("%s: %s, %v", tt.name, payload, err)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	// And the other way round: Verify takes no HMAC, whoever asks for it.
	if got := outcome(good, []string{""}, []jose.Alg{"HS256"}, fresh(t, jose.EdDSA).Public()); got != "invalid" {
		t.Errorf("Verify of HS256: %s", got)
	}
}
