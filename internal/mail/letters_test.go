package mail_test

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
)

// occasions is every letter there is, with all that may be known and with as
// little as may be.
func occasions(h mail.Letterhead, to mail.Person) map[string]mail.Letter {
	const life = 30 * time.Minute
	all := map[string]mail.Letter{
		"verify":             h.VerifyAddress(to, "482 913", link, life),
		"verify by code":     h.VerifyAddress(to, "482 913", "", life),
		"verify by link":     h.VerifyAddress(to, "", link, life),
		"address taken":      h.AddressTaken(to, link),
		"address taken off":  h.AddressTakenOff(to),
		"reset":              h.ResetPassword(to, link, life),
		"sign in":            h.SignInCode(to, "482 913", link, "Saleswave", life),
		"sign in by code":    h.SignInCode(to, "482 913", "", "", life),
		"sign in by link":    h.SignInCode(to, "", link, "", life),
		"invitation":         h.Invitation(to, link, "Grace Hopper", life),
		"invitation of none": h.Invitation(to, link, "", life),
		"operator":           h.OperatorLink(to, link, life),
	}
	full := mail.Happening{At: noon, Device: "Firefox on Windows", Address: "203.0.113.7", What: "YubiKey 5", Left: 7, Link: link}
	for _, kind := range mail.NoticeKinds() {
		all[string(kind)] = h.Notice(to, kind, full)
		all[string(kind)+" (bare)"] = h.Notice(to, kind, mail.Happening{At: noon})
	}
	return all
}

func TestEveryLetterIsWhole(t *testing.T) {
	hole := regexp.MustCompile(`\{\w*\}|%!|\(\)|  [^ ]|<no value>`)
	for name, l := range occasions(head, ada) {
		t.Run(name, func(t *testing.T) {
			got := post(t, l)[0]
			for what, text := range map[string]string{"subject": got.Subject, "text": strings.ReplaceAll(got.Text, "    482 913", "")} {
				if found := hole.FindString(text); found != "" {
					t.Errorf("%s has %q in it:\n%s", what, found, text)
				}
				if !strings.Contains(text, "O-stock") {
					t.Errorf("%s doesn't say who writes:\n%s", what, text)
				}
				if lower := strings.ToLower(text); strings.Contains(text, "!") || strings.Contains(lower, "please") {
					t.Errorf("%s isn't calm:\n%s", what, text)
				}
			}
			if !strings.HasPrefix(got.Text, "Hello Ada,\n\n") || len(l.Foot) == 0 && l.Next == "" {
				t.Errorf("no greeting, or nothing that says what next:\n%s", got.Text)
			}
			if l.Action != nil && got.Link != link || l.Action == nil && got.Link != "" {
				t.Errorf("link %q", got.Link)
			}
			if got.Code != l.Code {
				t.Errorf("code %q, want %q", got.Code, l.Code)
			}
		})
	}
}

// A notice says what, when and from where, and what to do if it wasn't you.
func TestNotices(t *testing.T) {
	e := mail.Happening{At: noon, Device: "Firefox on Windows", Address: "203.0.113.7", What: "YubiKey 5", Left: 7, Link: link}
	subjects := map[string]mail.NoticeKind{}
	for _, kind := range mail.NoticeKinds() {
		got := post(t, head.Notice(ada, kind, e))[0]
		for _, want := range []string{"When: 2026-03-01 12:00 UTC\nDevice: Firefox on Windows\nNetwork address: 203.0.113.7"} {
			if !strings.Contains(got.Text, want) {
				t.Errorf("%s lacks %q:\n%s", kind, want, got.Text)
			}
		}
		if other, twice := subjects[got.Subject]; twice {
			t.Errorf("%s and %s have one subject, %q", kind, other, got.Subject)
		}
		subjects[got.Subject] = kind
	}
	for kind, want := range map[mail.NoticeKind]string{
		mail.PasskeyAdded:         "The passkey “YubiKey 5” was added to your account at O-stock.",
		mail.AuthenticatorRemoved: "The authenticator app “YubiKey 5” was removed from",
		mail.AccountLinked:        "An account at YubiKey 5 was linked",
		mail.RecoveryCodeUsed:     "Recovery codes left: 7",
		mail.PasswordChanged:      "This wasn't me:\n" + link,
		mail.TwoStepOn:            "A second step is asked for at each sign-in",
		mail.TwoStepOff:           "The second step of sign-ins to your account at O-stock was switched off",
		mail.AccountLocked:        "Reset your password:\n" + link,
	} {
		if got := post(t, head.Notice(ada, kind, e))[0]; !strings.Contains(got.Text, want) {
			t.Errorf("%s lacks %q:\n%s", kind, want, got.Text)
		}
	}
	french := ada
	french.Locale = "fr"
	if got := post(t, head.Notice(french, mail.PasswordChanged, e))[0]; !strings.Contains(got.Text, "\u00a0:\n"+link) {
		t.Errorf("no French colon:\n%s", got.Text)
	}
	got := post(t, head.Notice(ada, mail.PasswordChanged, mail.Happening{At: noon}))[0]
	if want := "reset your password at auth.ostock.example"; !strings.Contains(got.Text, want) || got.Link != "" {
		t.Errorf("without a link it lacks %q:\n%s", want, got.Text)
	}
	for _, kind := range []mail.NoticeKind{mail.AccountDeleted, mail.AccountDisabled} {
		if got := post(t, head.Notice(ada, kind, e))[0]; got.Link != "" {
			t.Errorf("%s has a link that nobody can use", kind)
		}
	}
}

func TestHowLongItWorks(t *testing.T) {
	for life, want := range map[time.Duration]string{
		time.Second: "1 minute", 90 * time.Second: "2 minutes", 30 * time.Minute: "30 minutes", time.Hour: "1 hour",
		61 * time.Minute: "2 hours", 23 * time.Hour: "23 hours", 24 * time.Hour: "1 day", 72 * time.Hour: "3 days", 0: "1 day",
	} {
		l := head.ResetPassword(ada, link, life)
		if want = "The link works once, for " + want + "."; l.Foot[0] != want {
			t.Errorf("%s: %q, want %q", life, l.Foot[0], want)
		}
	}
}

// A name is said to an address that a stranger typed in, on our letterhead.
func TestNamesThatAdvertise(t *testing.T) {
	for name, want := range map[string]string{
		"Ada Lovelace": "Hello Ada Lovelace,", "J.R.R. Tolkien": "Hello J.R.R. Tolkien,", "Dr. Ōno": "Hello Dr. Ōno,", "": "Hello,",
		"win at http://evil.example": "Hello,", "evil.example": "Hello,", "www.evil": "Hello,", "пример.рф": "Hello,",
		"a@b": "Hello,", "evil/x": "Hello,", strings.Repeat("a", 100): "Hello " + strings.Repeat("a", 63) + "…,",
	} {
		to := ada
		to.Name = name
		if got := post(t, head.ResetPassword(to, link, time.Hour))[0]; !strings.HasPrefix(got.Text, want+"\n") {
			t.Errorf("%q: %q, want %q", name, strings.SplitN(got.Text, "\n", 2)[0], want)
		}
	}
	got := post(t, head.Invitation(ada, link, "Win at evil.example", time.Hour))[0]
	if strings.Contains(got.Text, "evil") {
		t.Errorf("an inviter's advertisement was said:\n%s", got.Text)
	}
}

func TestLettersStayOutOfLogs(t *testing.T) {
	l := head.SignInCode(ada, "482 913", link, "", time.Hour)
	m := mail.Message{To: ada.Address, Text: link}
	j := &journal{}
	slog.New(slog.NewJSONHandler(j, nil)).Info("x", "letter", l, "message", m)
	for _, text := range []string{fmt.Sprint(l, m), fmt.Sprintf("%+v %#v %s", l, m, &l), j.String()} {
		if strings.Contains(text, "sekrit") || strings.Contains(text, "482") || strings.Contains(text, "ada") {
			t.Errorf("a letter shows in %q", text)
		}
	}
}
