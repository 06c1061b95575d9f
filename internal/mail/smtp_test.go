package mail_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	netmail "net/mail"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/valetkey/valetkey/internal/mail"
)

func message() mail.Message {
	return mail.Message{
		ID: "0123456789abcdef@auth.ostock.example", From: netmail.Address{Name: "Ö-stock", Address: "noreply@ostock.example"}, To: ada.Address,
		Lang: "de", Subject: "Dein Schlüssel für Ö-stock", Text: "Grüße\n.\n" + link + "\n", HTML: "<p>Grüße " + strings.Repeat("lang ", 400) + "</p>", At: noon,
	}
}

func TestSMTPDelivers(t *testing.T) {
	o := openOffice(t, "127.0.0.1", nil)
	m := message()
	if err := o.sender(nil).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := o.deliveries()
	if len(got) != 1 || got[0].from != "noreply@ostock.example" || got[0].to != ada.Address || got[0].utf8 {
		t.Fatalf("%+v", got)
	}
	h, parts := read(t, got[0].raw)
	for name, want := range map[string]string{
		"From": "=?utf-8?q?=C3=96-stock?= <noreply@ostock.example>", "To": "<" + ada.Address + ">", "Date": "Sun, 01 Mar 2026 12:00:00 +0000",
		"Message-Id": "<0123456789abcdef@auth.ostock.example>", "Auto-Submitted": "auto-generated", "Content-Language": "de", "User-Agent": "", "X-Mailer": "",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || subject != m.Subject || h.Get("Subject") == m.Subject {
		t.Errorf("subject %q, %v", h.Get("Subject"), err)
	}
	if parts["text/plain"] != m.Text || parts["text/html"] != m.HTML || len(parts) != 2 {
		t.Errorf("parts %q", parts)
	}
	for line := range strings.Lines(string(got[0].raw)) {
		if len(line) > 998 || !strings.HasSuffix(line, "\r\n") {
			t.Errorf("line %q", line)
		}
	}
}

// Case 222: what reaches the sender unclean adds no header and no recipient.
func Test222NoHeaderIsAdded(t *testing.T) {
	o := openOffice(t, "127.0.0.1", nil)
	m := message()
	const more = "\r\nBcc: eve@evil.example\r\n\r\n<script>\u202e"
	m.Subject, m.From.Name, m.Lang, m.ID = "x"+more+"=?utf-8?q?=0D=0ABcc?=", "y"+more, "de"+more, "z"+more
	if err := o.sender(nil).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	h, parts := read(t, o.deliveries()[0].raw)
	if h.Get("Bcc") != "" || parts["text/plain"] != m.Text {
		t.Errorf("headers %v", h)
	}
	if subject, _ := new(mime.WordDecoder).DecodeHeader(h.Get("Subject")); strings.ContainsAny(subject, "\r\n\u202e") {
		t.Errorf("subject reads %q", subject)
	}
	for _, bad := range []func(*mail.Message){
		func(m *mail.Message) { m.To = "ada@a.example, eve@b.example" },
		func(m *mail.Message) { m.To = "ada@a.example>\r\nRCPT TO:<eve@evil.example" },
		func(m *mail.Message) { m.From.Address = "ada@a.example>\r\nRCPT TO:<eve@evil.example" },
	} {
		m := message()
		bad(&m)
		if err := o.sender(nil).Send(t.Context(), m); !errors.Is(err, mail.ErrRefused) {
			t.Errorf("%v", err)
		}
	}
	if n := len(o.deliveries()); n != 1 {
		t.Errorf("%d messages arrived", n)
	}
}

func TestSMTPModes(t *testing.T) {
	implicit := func(c *mail.SMTPConfig) { c.Security = mail.TLS }
	clear := func(c *mail.SMTPConfig) { c.Security = mail.None }
	user := func(c *mail.SMTPConfig) { c.Username, c.Password = "ada", "pass" }
	for name, tt := range map[string]struct {
		office func(*office, *smtp.Server)
		sender []func(*mail.SMTPConfig)
		user   string
	}{
		"starttls with a user":   {func(o *office, _ *smtp.Server) { o.users = true }, []func(*mail.SMTPConfig){user}, "ada"},
		"none":                   {func(_ *office, s *smtp.Server) { s.TLSConfig = nil }, []func(*mail.SMTPConfig){clear}, ""},
		"none, starttls offered": {nil, []func(*mail.SMTPConfig){clear}, ""},
		"none with a user": {
			func(o *office, s *smtp.Server) { o.users, s.TLSConfig, s.AllowInsecureAuth = true, nil, true },
			[]func(*mail.SMTPConfig){clear, user},
			"ada",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := openOffice(t, "127.0.0.1", tt.office)
			err := o.sender(func(c *mail.SMTPConfig) {
				for _, change := range tt.sender {
					change(c)
				}
			}).Send(t.Context(), message())
			if got := o.deliveries(); err != nil || len(got) != 1 || got[0].user != tt.user {
				t.Errorf("%v, %+v", err, got)
			}
		})
	}
	t.Run("tls", func(t *testing.T) {
		o, port := openOffice(t, "127.0.0.1", func(o *office, _ *smtp.Server) { o.users = true }), 0
		port = wrapped(t, o)
		s := o.sender(func(c *mail.SMTPConfig) { implicit(c); user(c); c.Port = port })
		if err := s.Send(t.Context(), message()); err != nil || len(o.deliveries()) != 1 || o.deliveries()[0].user != "ada" {
			t.Errorf("%v, %+v", err, o.deliveries())
		}
	})
}

// wrapped serves an office's mail under TLS from the first byte.
func wrapped(t *testing.T, o *office) int {
	t.Helper()
	cert, roots := certify(t, "127.0.0.1")
	o.roots = roots
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{office: o}, nil }))
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// Where the connection isn't as private as it was to be, nothing is said: no
// password, no address, no letter.
func TestSMTPFailsClosed(t *testing.T) {
	for name, tt := range map[string]struct {
		host   string
		office func(*office, *smtp.Server)
		sender func(*mail.SMTPConfig)
		want   string
	}{
		"STARTTLS stripped": {"127.0.0.1", func(_ *office, s *smtp.Server) { s.TLSConfig, s.AllowInsecureAuth = nil, true }, nil, "STARTTLS"},
		"another host's":    {"other.example", nil, nil, "certificate"},
		"another name's":    {"127.0.0.1", nil, func(c *mail.SMTPConfig) { c.Host = "localhost" }, "certificate"},
		"unknown authority": {"127.0.0.1", nil, func(c *mail.SMTPConfig) { c.Roots = nil }, "certificate"},
		"old TLS": {"127.0.0.1", func(_ *office, s *smtp.Server) {
			s.TLSConfig.MinVersion, s.TLSConfig.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}, nil, "version"},
		"plain where TLS is asked": {"127.0.0.1", nil, func(c *mail.SMTPConfig) { c.Security = mail.TLS }, "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			var said journal
			o := openOffice(t, tt.host, func(o *office, s *smtp.Server) {
				o.users, s.Debug = true, &said
				if tt.office != nil {
					tt.office(o, s)
				}
			})
			err := o.sender(func(c *mail.SMTPConfig) {
				c.Username, c.Password = "ada", "pass"
				if tt.sender != nil {
					tt.sender(c)
				}
			}).Send(t.Context(), message())
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, mail.ErrRefused) {
				t.Errorf("error %v, want %q, and worth another try", err, tt.want)
			}
			if len(o.deliveries()) != 0 || strings.Contains(said.String(), "AUTH PLAIN ") || strings.Contains(said.String(), "MAIL FROM") {
				t.Errorf("it was said:\n%s", &said)
			}
		})
	}
}

// What a server refuses for good is what it says of this recipient or this
// letter. Its words aren't repeated.
func TestSMTPRefusals(t *testing.T) {
	answer := func(code int) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "<ada.private@people.example> sekrit"}
	}
	for name, tt := range map[string]struct {
		office func(*office)
		want   string
		final  bool
	}{
		"recipient unknown":     {func(o *office) { o.rcpt = answer(550) }, "smtp: 550 in answer to RCPT TO (5.1.1)", true},
		"recipient greylisted":  {func(o *office) { o.rcpt = answer(451) }, "smtp: 451 in answer to RCPT TO (4.1.1)", false},
		"content refused":       {func(o *office) { o.data = answer(554) }, "smtp: 554 in answer to DATA (5.1.1)", true},
		"content postponed":     {func(o *office) { o.data = answer(452) }, "smtp: 452 in answer to DATA (4.1.1)", false},
		"our address refused":   {func(o *office) { o.from = answer(553) }, "smtp: 553 in answer to MAIL FROM (5.1.1)", false},
		"server busy":           {func(o *office) { o.from = answer(421) }, "smtp: 421 in answer to MAIL FROM (4.1.1)", false},
		"our password is wrong": {func(o *office) { o.users = true }, "smtp: 535 in answer to the greeting, EHLO, STARTTLS or AUTH", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := openOffice(t, "127.0.0.1", func(o *office, _ *smtp.Server) { tt.office(o) })
			err := o.sender(func(c *mail.SMTPConfig) {
				if o.users {
					c.Username, c.Password = "ada", "wrong"
				}
			}).Send(t.Context(), message())
			if err == nil || err.Error() != tt.want || errors.Is(err, mail.ErrRefused) != tt.final {
				t.Errorf("%v, for good: %v", err, errors.Is(err, mail.ErrRefused))
			}
		})
	}
}

// A letter that was taken isn't sent again because the server then hung up.
func TestSMTPTakenIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close() // after the dot, without a word about QUIT
		in := bufio.NewReader(conn)
		for _, answer := range []string{"220 office.example", "250 office.example", "250 ok", "250 ok", "354 go on"} {
			_, _ = io.WriteString(conn, answer+"\r\n")
			_, _ = in.ReadString('\n')
		}
		for line := ""; line != ".\r\n"; line, err = in.ReadString('\n') {
			if err != nil {
				return
			}
		}
		_, _ = io.WriteString(conn, "250 taken\r\n")
	}()
	s, err := mail.NewSMTP(mail.SMTPConfig{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Security: mail.None, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), message()); err != nil {
		t.Error(err)
	}
}

// Case 332: a server that falls silent, at whichever point, costs the time
// limit and leaves nothing behind.
func Test332SMTPHangs(t *testing.T) {
	for name, script := range map[string][]string{
		"at once":          nil,
		"after greeting":   {"220 office.example"},
		"after EHLO":       {"220 office.example", "250-office.example\r\n250 STARTTLS"},
		"in the handshake": {"220 office.example", "250-office.example\r\n250 STARTTLS", "220 go on"},
	} {
		t.Run(name, func(t *testing.T) {
			port := silentServer(t, script)
			before := runtime.NumGoroutine()
			s, err := mail.NewSMTP(mail.SMTPConfig{Host: "127.0.0.1", Port: port, Timeout: 300 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			err = s.Send(t.Context(), message())
			if took := time.Since(began); err == nil || errors.Is(err, mail.ErrRefused) || took > 2*time.Second {
				t.Errorf("%v after %s", err, took)
			}
			for range 100 {
				if runtime.NumGoroutine() <= before {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		})
	}
}

// silentServer says its lines, one for each it is told, and then nothing. It
// serves one connection and expects that it is closed.
func silentServer(t *testing.T, script []string) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		heard := make([]byte, 4096)
		for i, line := range script {
			if i > 0 {
				_, _ = conn.Read(heard)
			}
			_, _ = io.WriteString(conn, line+"\r\n")
		}
		_, _ = io.Copy(io.Discard, conn) // until the other side hangs up
	}()
	t.Cleanup(func() {
		_ = l.Close()
		select {
		case <-closed:
		case <-time.After(5 * time.Second):
			t.Error("the connection was never closed")
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

func TestSMTPStopsWithItsContext(t *testing.T) {
	port := silentServer(t, []string{"220 office.example"})
	s, _ := mail.NewSMTP(mail.SMTPConfig{Host: "127.0.0.1", Port: port})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := s.Send(ctx, message()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// From a constructor to a mail server and back, with a refusal on the way; the
// log knows neither address nor link.
func TestPostThroughSMTP(t *testing.T) {
	o := openOffice(t, "127.0.0.1", nil)
	o.rcpt = &smtp.SMTPError{Code: 450, Message: "<ada.private@people.example> later"}
	j, s, now := &journal{}, &memory{}, time.Now()
	p := newPost(t, func(c *mail.Config) {
		c.Sender, c.Store, c.Now, c.Log = o.sender(nil), s, func() time.Time { return now }, slog.New(slog.NewJSONHandler(j, nil))
	})
	enqueue(t, p, head.SignInCode(ada, "482 913", link, "Saleswave", time.Hour))
	for _, step := range []time.Duration{0, 59 * time.Second, 2 * time.Second} {
		now = now.Add(step)
		if step == 2*time.Second {
			o.rcpt = nil
		}
		if err := p.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(o.deliveries()); (n == 1) != (step == 2*time.Second) {
			t.Fatalf("%d messages after %s more", n, step)
		}
	}
	_, parts := read(t, o.deliveries()[0].raw)
	if !strings.Contains(parts["text/plain"], "\n    482 913\n") || !strings.Contains(parts["text/plain"], "\n"+link+"\n") {
		t.Errorf("%q", parts["text/plain"])
	}
	if strings.Count(j.String(), "\n") != 2 || !strings.Contains(j.String(), "smtp: 450 in answer to RCPT TO") || len(s.all()) != 0 {
		t.Errorf("%d rows left, log:\n%s", len(s.all()), j)
	}
	silent(t, j)
}
