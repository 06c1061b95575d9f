package mail_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"github.com/valetkey/valetkey/internal/mail"
)

const nasty = "Ada\r\nBcc: eve@evil.example\u202e\u2066\u2028\x00\x1b[31m <b onload=x>\"'&amp;</b>\u200b"

// Case 222: what people are called is text, in headers, in HTML and in plain
// text.
func Test222TextStaysText(t *testing.T) {
	h := mail.Letterhead{Brand: nasty, Host: "auth.ostock.example"}
	to := ada
	to.Name = nasty
	letters := map[string]mail.Letter{
		"sign in": h.SignInCode(to, nasty, link, nasty, time.Hour),
		"invite":  h.Invitation(to, link, nasty, time.Hour),
		"notice":  h.Notice(to, mail.PasskeyAdded, mail.Happening{At: noon, Device: nasty, Address: nasty, What: nasty, Link: link}),
		"by hand": {To: to.Address, Name: nasty, Subject: nasty, Lines: []string{nasty}, Facts: []mail.Fact{{Label: nasty, Value: nasty}}, Next: nasty, Code: nasty, Foot: []string{nasty}, Action: &mail.Action{Label: nasty, URL: link}},
	}
	for name, l := range letters {
		t.Run(name, func(t *testing.T) {
			got := post(t, l)[0]
			if strings.ContainsFunc(got.Subject, func(r rune) bool { return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) }) {
				t.Errorf("subject %q", got.Subject)
			}
			for _, text := range []string{got.Text, got.HTML} {
				if strings.ContainsAny(text, "\r\x00\x1b\u202e\u2028") || strings.Contains(text, "\nBcc:") {
					t.Errorf("a control came through in %q", text)
				}
			}
			for _, tag := range []string{"b", "script"} {
				if elements(t, got.HTML)[tag] > 0 {
					t.Errorf("<%s> came through:\n%s", tag, got.HTML)
				}
			}
		})
	}
}

// elements counts the elements of a document by name.
func elements(t *testing.T, text string) map[string]int {
	t.Helper()
	n := map[string]int{}
	for z := html.NewTokenizer(strings.NewReader(text)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return n
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			n[string(name)]++
		default:
		}
	}
}

// The HTML asks nobody for anything, has no table, and shows its link.
func TestHTMLIsModest(t *testing.T) {
	remote := regexp.MustCompile(`(?i)<(img|link|script|style|table|iframe|object)|url\(|src=|@import`)
	for name, l := range occasions(head, ada) {
		got := post(t, l)[0]
		if found := remote.FindString(got.HTML); found != "" {
			t.Errorf("%s has %s", name, found)
		}
		shown := strings.ReplaceAll(link, "&", "&amp;")
		if l.Action != nil && (!strings.Contains(got.HTML, `href="`+shown+`"`) || !strings.Contains(got.HTML, ">"+shown+"<")) {
			t.Errorf("%s: the link isn't there as link and as text:\n%s", name, got.HTML)
		}
		if !strings.Contains(got.HTML, `<html lang="en" dir="ltr">`) || !strings.Contains(got.HTML, `content="light dark"`) {
			t.Errorf("%s lacks its language or the dark scheme:\n%s", name, got.HTML)
		}
	}
}

func TestRightToLeft(t *testing.T) {
	speak(t, "ar", `{"Sign in to {0}": "تسجيل الدخول إلى {0}", "You will go on to {0}.": "ستنتقل إلى {0}.", "Hello {0},": "مرحبا {0}،"}`)
	to := ada
	to.Locale = "ar"
	got := post(t, head.SignInCode(to, "482 913", link, "Saleswave", time.Hour))[0]
	for _, want := range []string{`<html lang="ar" dir="rtl">`, `<div lang="ar" dir="rtl"`, `<bdi dir="ltr"`, "ستنتقل إلى \u2068Saleswave\u2069.", "مرحبا \u2068Ada\u2069،"} {
		if !strings.Contains(got.HTML, want) {
			t.Errorf("no %q in\n%s", want, got.HTML)
		}
	}
	if got.Subject != "تسجيل الدخول إلى O-stock" {
		t.Errorf("subject %+q", got.Subject)
	}
	if got.Link != link || got.Code != "482 913" {
		t.Errorf("link %q, code %q", got.Link, got.Code)
	}
}

// Case 222: one letter has one address, or isn't written.
func Test222OneAddress(t *testing.T) {
	p := newPost(t, func(*mail.Config) {})
	for _, good := range []string{"ada@people.example", "ada+x@people.example", `"a b"@people.example`, "ada@localhost", "übung@people.example", "a!b%c@people.example"} {
		if _, err := p.Seal(head.AddressTaken(mail.Person{Address: good}, link), 0); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "ada", "ada@", "@people.example", "ada@a.example,eve@b.example", "ada@a.example, eve@b.example", "ada@a.example;eve@b.example",
		"Ada <ada@people.example>", "<ada@people.example>", "ada@people.example (Ada)", "(x)ada@people.example", "ada @people.example",
		" ada@people.example", "ada@people.example\r\nBcc: eve@evil.example", "ada@people.example\n", "ada\r\n@people.example", "ada@people.example\x00",
		"ada\u202e@people.example", "friends: ada@people.example;", "ada@people.example>\r\nRCPT TO:<eve@evil.example", "\"a\r\nb\"@people.example",
		strings.Repeat("a", 250) + "@people.example",
	} {
		_, err := p.Seal(head.AddressTaken(mail.Person{Address: bad}, link), 0)
		if !errors.Is(err, mail.ErrAddress) {
			t.Errorf("%q: %v", bad, err)
		}
		if err != nil && strings.Contains(err.Error(), "people") {
			t.Errorf("%q is repeated in %v", bad, err)
		}
	}
}

func TestLinksAndSubjects(t *testing.T) {
	p := newPost(t, func(*mail.Config) {})
	for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", "/relative", "https:", "https://a.example/ b", "https://a.example/\r\nX: y", "mailto:a@b.example"} {
		if _, err := p.Seal(head.ResetPassword(ada, bad, time.Hour), 0); err == nil || strings.Contains(err.Error(), "example") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := p.Seal(head.Notice(ada, "no-such-kind", mail.Happening{At: noon}), 0); err == nil {
		t.Error("a letter without a subject")
	}
}
