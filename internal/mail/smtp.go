package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Security says how a connection to an SMTP server is kept private.
type Security string

const (
	StartTLS Security = "starttls" // RFC 3207, and no mail without it
	TLS      Security = "tls"      // from the first byte: RFC 8314 §3.3
	None     Security = "none"     // to this very machine only
)

// SMTPConfig names a mail server.
type SMTPConfig struct {
	Host     string
	Port     int // 0: 587, or 465 for TLS, or 25 for None
	Username string
	Password string
	Security Security       // "": StartTLS
	Roots    *x509.CertPool // nil: the system's
	Hello    string         // what we call ourselves in EHLO; "": the machine's name
	Timeout  time.Duration  // of a whole delivery, at most and by default 10 s
}

// Format keeps the password out of every log.
func (c SMTPConfig) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s to %s", c.Security, net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
}

// LogValue keeps the password out of every log.
func (c SMTPConfig) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// SMTP sends through a mail server. It fails closed: where the connection was
// to be private and isn't, or the certificate is another's, nothing is sent.
type SMTP struct{ config SMTPConfig }

// Format keeps the password out of every log.
func (s *SMTP) Format(f fmt.State, verb rune) { s.config.Format(f, verb) }

// NewSMTP judges the configuration; it doesn't connect.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	if c.Security == "" {
		c.Security = StartTLS
	}
	ports := map[Security]int{StartTLS: 587, TLS: 465, None: 25}
	switch {
	case c.Host == "":
		return nil, errors.New("smtp: no host")
	case ports[c.Security] == 0:
		return nil, fmt.Errorf("smtp: tls is %s, %s or %s, not %q", StartTLS, TLS, None, c.Security)
	case c.Security == None && !loopback(c.Host):
		return nil, errors.New("smtp: without TLS mail goes to localhost only, never over a network")
	case (c.Username == "") != (c.Password == ""):
		return nil, errors.New("smtp: username and password come together, one is missing")
	case c.Port < 0 || c.Port > 65535:
		return nil, errors.New("smtp: a port is a number up to 65535")
	case strings.ContainsAny(c.Hello, " \r\n"):
		return nil, errors.New("smtp: the EHLO name is a host name")
	}
	if c.Port == 0 {
		c.Port = ports[c.Security]
	}
	if c.Timeout <= 0 || c.Timeout > sendLimit {
		c.Timeout = sendLimit
	}
	return &SMTP{config: c}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send implements Sender on a connection of its own.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel() // closes the connection, too: see dial
	message, err := compose(m)
	if err != nil {
		return errors.Join(ErrRefused, err)
	}
	client, err := gomail.NewClient(s.config.Host, s.options(ctx, m)...)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	if err == nil || message.IsDelivered() { // that QUIT failed is no reason to send it again
		return nil
	}
	return s.explain(ctx, err)
}

func (s *SMTP) options(ctx context.Context, m Message) []gomail.Option {
	policy := gomail.NoTLS
	if s.config.Security == StartTLS {
		policy = gomail.TLSMandatory
	}
	options := []gomail.Option{
		gomail.WithPort(s.config.Port), gomail.WithTimeout(s.config.Timeout), gomail.WithTLSPolicy(policy),
		gomail.WithTLSConfig(s.tls()), gomail.WithDialContextFunc(s.dial(ctx)), gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	if s.config.Hello != "" {
		options = append(options, gomail.WithHELO(s.config.Hello))
	}
	if ascii(m.To) && ascii(m.From.Address) { // or the next server might need SMTPUTF8 for nothing
		options = append(options, gomail.WithoutSMTPUTF8())
	}
	if s.config.Username != "" {
		options = append(options, gomail.WithUsername(s.config.Username), gomail.WithPassword(s.config.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthSCRAMSHA256))
	}
	return options
}

func (s *SMTP) tls() *tls.Config {
	return &tls.Config{ServerName: s.config.Host, RootCAs: s.config.Roots, MinVersion: tls.VersionTLS12}
}

// dial connects for one delivery. The connection ends with that delivery's ctx,
// not with dialling: a server that falls silent later, or fails at EHLO, where
// the library forgets to close, costs no more than the time limit.
func (s *SMTP) dial(delivery context.Context) gomail.DialContextFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(delivery, func() { _ = conn.Close() })
		if s.config.Security != TLS {
			return conn, nil
		}
		private := tls.Client(conn, s.tls())
		return private, private.HandshakeContext(ctx)
	}
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f })
}
