package login

import (
	"testing"
	"time"
)

// TestTOTPVectors: RFC 6238 Appendix B, of whose eight digits these are the last
// six.
func TestTOTPVectors(t *testing.T) {
	key := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := totpCode(key, at/totpPeriod); got != want {
			t.Errorf("at %d: %s, not %s", at, got, want)
		}
	}
}

// TestTOTPWindow: case 246, RFC 6238 §5.2.
func TestTOTPWindow(t *testing.T) {
	key, now := []byte("12345678901234567890"), time.Unix(1_900_000_005, 0)
	step := now.Unix() / totpPeriod
	for delta, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		if _, got := matchTOTP(key, totpCode(key, step+delta), 0, now); got != want {
			t.Errorf("%d steps off: %v", delta, got)
		}
	}
	if _, got := matchTOTP(key, totpCode(key, step), step, now); got {
		t.Error("a code that was used fits again")
	}
	if _, got := matchTOTP(key, totpCode(key, step-1), step, now); got {
		t.Error("a code older than the last one fits")
	}
}

// TestDigits: case 245, as people type codes.
func TestDigits(t *testing.T) {
	for typed, want := range map[string]string{
		"123456": "123456", " 123 456 ": "123456", "１２３４５６": "123456", "١٢٣٤٥٦": "123456", "123-456": "123456", "12\u200b3456": "123456", "": "", "१२३": "123",
	} {
		if got := digits(typed); got != want {
			t.Errorf("%q: %q", typed, got)
		}
	}
}

func TestPlainRecovery(t *testing.T) {
	for typed, want := range map[string]string{"ABCD-efgh-2345": "abcdefgh2345", "abcd efgh 2345": "abcdefgh2345", "0l1ｏ8": "olioB"[:3] + "ob"} {
		if got := plainRecovery(typed); got != want {
			t.Errorf("%q: %q, not %q", typed, got, want)
		}
	}
}

// TestInDomain: case 276.
func TestInDomain(t *testing.T) {
	for email, want := range map[string]bool{
		"a@corp.com": true, "a@CORP.com": true, "a@evil@corp.com": false, "a@corp.com.evil": false, "a@corp.com ": false, "@corp.com": false, "a@xcorp.com": false, "corp.com": false,
	} {
		if got := InDomain(email, []string{"corp.com"}); got != want {
			t.Errorf("%q: %v", email, got)
		}
	}
	if !InDomain("a@anything.example", nil) {
		t.Error("without domains any address is in")
	}
}

func FuzzDigits(f *testing.F) {
	f.Add("１२٣")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range digits(s) {
			if r > 127 && r >= '0' && r <= '9' {
				t.Fatal(r)
			}
		}
		plainRecovery(s)
		label(s, "x")
	})
}
