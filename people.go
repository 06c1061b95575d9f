package valetkey

import (
	"context"
	"crypto/sha1" //nolint:gosec // what the service of leaked passwords speaks
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/valetkey/valetkey/internal/fetch"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/oauth"
)

// Authenticator is a way to sign in, a link of the chain that the sign-in page
// offers. One with a Verify is the embedder's own: Template is then its page.
type Authenticator = login.Authenticator

// DefaultAuthenticators is the chain of a server that is told nothing else.
func DefaultAuthenticators() []Authenticator { return login.DefaultChain() }

// Connector is another provider: OpenID Connect, OAuth 2.0 or LDAP.
type Connector = upstream.Config

// GroupPolicy is what goes with membership in a group.
type GroupPolicy = login.GroupPolicy

// Mail says through whom letters are sent, and as whom.
type Mail struct {
	URL      string // smtp://user@host:587 with STARTTLS, smtps://host:465, smtp://localhost:1025?tls=none
	Password string
	From     string // noreply@example.com
	Roots    *x509.CertPool
}

// Brand is how the pages look.
type Brand = web.Brand

// BrandLink leads to a page of the operator's.
type BrandLink = web.BrandLink

// people wires what knows people: the gate, the post, the other providers.
func (s *Server) people(c Config, ring *seal.Keyring, hasher *secret.Hasher) error {
	sender, err := s.sender(c)
	if err != nil {
		return err
	}
	from := "noreply@localhost"
	if c.Mail != nil {
		from = c.Mail.From
	}
	s.post, err = mail.New(mail.Config{Store: s.store, Box: ring.Box("mail", ""), Sender: sender, From: from, Brand: c.name(), Issuer: c.Issuer, Now: c.Now, Log: c.Log, Ended: s.metrics.Mails.Ended})
	if err != nil {
		return err
	}
	for _, other := range c.Connectors {
		if login.BuiltIn(other.Name) {
			return fmt.Errorf("connectors: %s is the name of a way in that is built in; choose another", other.Name)
		}
		s.providers = append(s.providers, login.Provider{Name: other.Name, Two: other.TrustACR})
	}
	s.others, err = upstream.New(c.Connectors, upstream.Environment{
		Issuer: c.Issuer, AllowLoopback: c.FetchAllowLoopback, Roots: c.FetchRoots, Now: c.Now, Log: c.Log, Span: s.call(),
	})
	if err != nil {
		return err
	}
	s.login = &login.Service{
		Store: s.store, Setups: s.store, Hasher: hasher, Now: c.Now, External: c.Users, Throttle: &login.Throttle{Off: c.ThrottleOff, Now: c.Now},
		Issuer: c.Issuer, Brand: c.name(), Chain: c.Authenticators, Post: s.post, Device: web.DeviceWords,
		Policy:     login.Policy{Groups: c.Groups, Domains: c.SignupDomains, Invite: c.SignupInvite, Verify: c.SignupVerify},
		Connectors: s.connectors, Restored: s.store.RestoredAt, Phones: c.Phones, Meter: &s.metrics.SignIns, Ephemeral: c.Ephemeral,
	}
	if c.LeakedPasswords != "" {
		s.login.Leaked = leaked{
			address: strings.TrimSuffix(c.LeakedPasswords, "/"),
			fetch:   s.fetcher(c),
		}
	}
	return s.login.Open(ring)
}

// connectors are those by which people may still sign in.
func (s *Server) connectors() []string {
	var names []string
	for _, c := range s.others.List() {
		names = append(names, c.Name)
	}
	return names
}

// sender is how letters leave; nil: they don't.
func (s *Server) sender(c Config) (mail.Sender, error) {
	switch {
	case c.Mailbox:
		s.mailbox = new(mail.Mailbox)
		return s.mailbox, nil
	case c.Mail == nil:
		return nil, nil //nolint:nilnil // there is no mail
	}
	return c.Mail.sender()
}

func (m Mail) sender() (mail.Sender, error) {
	smtp, err := mail.ParseSMTPURL(m.URL)
	if err != nil {
		return nil, err
	}
	if m.Password != "" {
		smtp.Password = m.Password
	}
	smtp.Roots = m.Roots
	return mail.NewSMTP(smtp)
}

// CheckServer judges URL and Password, CheckFrom judges From; nothing is dialled.
func (m Mail) CheckServer() error {
	_, err := m.sender()
	return err
}

// CheckFrom judges From.
func (m Mail) CheckFrom() error { return mail.CheckFrom(m.From) }

// checkWays judges what an operator says of the ways to sign in to an app.
func (s *Server) checkWays(m oauth.Metadata) error {
	_, err := login.CheckAppWays(login.AppWays{Names: m.Authenticators, Factors: m.Factors}, s.login.Chain, s.providers)
	if err != nil {
		return &oauth.Error{Code: oauth.CodeInvalidClientMetadata, Description: err.Error()}
	}
	return nil
}

// warnOfWays names the apps that say of sign-in what no longer holds: a connector
// may have been taken out since. It must not stop the start, without which nobody
// could mend it.
func (s *Server) warnOfWays(ctx context.Context, log *slog.Logger) {
	for after := ""; ; {
		page, err := s.store.ListClients(ctx, nil, after, 500)
		if err != nil || len(page) == 0 {
			return
		}
		for _, c := range page {
			if err := s.checkWays(c.Metadata); err != nil {
				log.WarnContext(ctx, "an app can't be signed in to as its metadata says", "client", c.ID, "error", err)
			}
		}
		after = page[len(page)-1].ID
	}
}

// leaked asks by k-anonymity: five characters of a hash go out, and all that
// begin with them come back.
type leaked struct {
	address string
	fetch   *fetch.Client
}

// Leaked implements login.Leaked.
func (l leaked) Leaked(ctx context.Context, password string) (int, error) {
	sum := sha1.Sum([]byte(password)) //nolint:gosec // see above
	text := strings.ToUpper(hex.EncodeToString(sum[:]))
	doc, err := l.fetch.Get(ctx, l.address+"/range/"+text[:5], 128<<10)
	if err != nil {
		return 0, fmt.Errorf("leaked passwords: %w", err)
	}
	for line := range strings.Lines(string(doc.Body)) {
		if rest, times, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && strings.EqualFold(rest, text[5:]) {
			return strconv.Atoi(times)
		}
	}
	return 0, nil
}
