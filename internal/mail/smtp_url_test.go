package mail_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/mail"
)

func TestParseSMTPURL(t *testing.T) {
	for raw, want := range map[string]mail.SMTPConfig{
		"smtp://user@host.example:587":                 {Host: "host.example", Port: 587, Username: "user", Security: mail.StartTLS},
		"smtp://host.example":                          {Host: "host.example", Security: mail.StartTLS},
		"smtp://host.example/?tls=starttls":            {Host: "host.example", Security: mail.StartTLS},
		"smtps://host.example:465":                     {Host: "host.example", Port: 465, Security: mail.TLS},
		"smtps://host.example?tls=tls":                 {Host: "host.example", Security: mail.TLS},
		"smtp://host.example:465?tls=tls":              {Host: "host.example", Port: 465, Security: mail.TLS},
		"smtp://localhost:1025?tls=none":               {Host: "localhost", Port: 1025, Security: mail.None},
		"smtp://[::1]:1025?tls=none":                   {Host: "::1", Port: 1025, Security: mail.None},
		"smtp://ada%40a.example:p%3Aw%2F@host.example": {Host: "host.example", Username: "ada@a.example", Password: "p:w/", Security: mail.StartTLS},
		"SMTP://host.example:2525":                     {Host: "host.example", Port: 2525, Security: mail.StartTLS},
	} {
		if got, err := mail.ParseSMTPURL(raw); err != nil || got != want {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]string{
		"":                                          "begins with smtp://",
		"host.example:587":                          "not a URL",
		"http://host.example":                       "begins with smtp://",
		"smtp:host.example":                         "not a URL",
		"smtp://":                                   "no host",
		"smtp://:587":                               "no host",
		"smtp://host.example:0":                     "a port is",
		"smtp://host.example:70000":                 "a port is",
		"smtp://u:sekrit@host.example:x":            "not a URL",
		"smtp://u:sekrit@host.example/x":            "nothing follows",
		"smtp://u:sekrit@host.example#x":            "nothing follows",
		"smtp://u:sekrit@host.example?tls=maybe":    "tls is starttls, tls or none",
		"smtp://u:sekrit@host.example?ssl=1":        "only parameter is tls",
		"smtp://host.example?tls=none&tls=starttls": "only parameter is tls",
		"smtps://host.example?tls=none":             "smtps:// is TLS",
		"smtp://u:sek%rit@host.example":             "not a URL",
	} {
		_, err := mail.ParseSMTPURL(raw)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sek") {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}

func TestNewSMTP(t *testing.T) {
	for name, c := range map[string]mail.SMTPConfig{
		"in the clear to another machine": {Host: "host.example", Security: mail.None},
		"in the clear to an address":      {Host: "192.0.2.1", Security: mail.None},
		"a name that only begins so":      {Host: "localhost.evil.example", Security: mail.None},
		"no host":                         {},
		"no password":                     {Host: "host.example", Username: "u"},
		"no user":                         {Host: "host.example", Password: "p"},
		"no such mode":                    {Host: "host.example", Security: "ssl"},
		"a port too high":                 {Host: "host.example", Port: 70000},
		"two commands":                    {Host: "host.example", Hello: "a\r\nMAIL FROM:<b>"},
	} {
		if _, err := mail.NewSMTP(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, c := range []mail.SMTPConfig{
		{Host: "host.example"},
		{Host: "localhost", Security: mail.None},
		{Host: "127.0.0.1", Security: mail.None},
		{Host: "::1", Security: mail.None},
		{Host: "host.example", Username: "u", Password: "p", Security: mail.TLS},
	} {
		if _, err := mail.NewSMTP(c); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestSMTPConfigHidesItsPassword(t *testing.T) {
	c := mail.SMTPConfig{Host: "host.example", Port: 587, Username: "u", Password: "sekrit", Security: mail.StartTLS}
	s, err := mail.NewSMTP(c)
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	slog.New(slog.NewJSONHandler(j, nil)).Info("x", "config", c)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", c, c, &c), fmt.Sprintf("%v %+v %#v", s, s, s), j.String()} {
		if strings.Contains(text, "sekrit") || !strings.Contains(text, "host.example") {
			t.Errorf("%s", text)
		}
	}
}
