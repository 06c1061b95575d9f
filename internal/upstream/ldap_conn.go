package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	stepTime     = 5 * time.Second // of one question to a directory
	maxDirectory = 8 << 20         // bytes that a connection may bring
)

// server is one address of a directory.
type server struct {
	url  *url.URL
	host string // with port
	tls  *tls.Config
	bare bool // no TLS, on this machine
}

func newServer(address string, c Config, env Environment) server {
	u, err := url.Parse(address)
	if err != nil { // Check has seen it
		u = &url.URL{}
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": ldap.DefaultLdapPort, "ldaps": ldap.DefaultLdapsPort}[u.Scheme]
	}
	return server{
		url: u, host: net.JoinHostPort(u.Hostname(), port), bare: u.Scheme == "ldap" && !on(c.StartTLS, true),
		tls: &tls.Config{ServerName: u.Hostname(), RootCAs: env.Roots, MinVersion: tls.VersionTLS12},
	}
}

// conn is one connection to one server. It ends with its context.
type conn struct {
	*ldap.Conn
	server server
	stop   func() bool
}

func (c *conn) close() {
	c.stop()
	_ = c.Close()
}

// open dials, and speaks no word in clear but StartTLS (RFC 4511 §4.14).
func (d *ldapDirectory) open(ctx context.Context, s server) (*conn, error) {
	quick, cancel := context.WithTimeout(ctx, d.step)
	defer cancel()
	raw, err := (&net.Dialer{Control: d.guard.control}).DialContext(quick, "tcp", s.host)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.url, err)
	}
	// The library knows no contexts: a deadline stands in for it, and whoever
	// leaves takes the connection along.
	if end, ok := quick.Deadline(); ok {
		_ = raw.SetDeadline(end)
	}
	c := &conn{server: s, stop: context.AfterFunc(ctx, func() { _ = raw.Close() })}
	if err := c.start(quick, &capped{Conn: raw, left: maxDirectory}, d.step); err != nil {
		c.stop()
		_ = raw.Close()
		return nil, fmt.Errorf("%s: %w", s.url, err)
	}
	if end, ok := ctx.Deadline(); ok {
		_ = raw.SetDeadline(end)
	}
	return c, nil
}

func (c *conn) start(ctx context.Context, raw net.Conn, step time.Duration) error {
	if c.server.url.Scheme == "ldaps" {
		encrypted := tls.Client(raw, c.server.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
		raw = encrypted
	}
	c.Conn = ldap.NewConn(raw, c.server.url.Scheme == "ldaps")
	c.SetTimeout(step)
	c.Start()
	if c.server.url.Scheme == "ldaps" || c.server.bare {
		return nil
	}
	if err := c.StartTLS(c.server.tls); err != nil {
		_ = c.Close()
		return fmt.Errorf("StartTLS: %w", ldapCause(err))
	}
	return nil
}

// capped bounds what a directory may send: the library would read on for as
// long as it says there is more.
type capped struct {
	net.Conn
	left int
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, refused("more than %d bytes from the directory", maxDirectory)
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// ldapCause is an error of the library for the log: what the server wrote cut
// short and printable, and no packet with it.
func ldapCause(err error) error {
	var e *ldap.Error
	if errors.As(err, &e) && e.ResultCode < ldap.ErrorNetwork {
		return &resultError{int(e.ResultCode), said(e.Err.Error())}
	}
	return errors.New(said(err.Error()))
}

// resultError is an LDAP result other than success (RFC 4511 appendix A).
type resultError struct {
	code    int
	message string
}

func (e *resultError) Error() string {
	//nolint:gosec // a result code is a uint16
	return fmt.Sprintf("result %d (%s) %s", e.code, ldap.LDAPResultCodeMap[uint16(e.code)], e.message)
}
