package valetkey

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/endpoint"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/oauth"
)

// Config says how a server is to be. Issuer is all that it must have; every
// other zero value is the safe choice.
type Config struct {
	// Issuer is the server's public address without trailing slash, https
	// except on a loopback host: RFC 8414 §2.
	Issuer string
	// Database is "sqlite:PATH", "sqlite::memory:" or "postgres://…"; empty is
	// a database in memory, which ends with the process.
	Database string
	// FailoverKeep goes on after any PostgreSQL standby took over. Otherwise one
	// that may lack its primary's last commits isn't used until Recover was asked.
	FailoverKeep bool
	// MasterSecret holds the keys under which everything is sealed, as
	// NewMasterSecret makes them; it wins over MasterSecretFile. Without both,
	// a SQLite database has its file beside it, made at first use (0600), a
	// database in memory a secret of its own, and PostgreSQL is refused.
	MasterSecret     []byte
	MasterSecretFile string

	// Ephemeral is a server for somebody's tests: in memory, on a loopback host, its
	// clock moved by POST /test/clock, with people signed in by the header
	// X-Test-User and consent given by X-Test-Consent.
	Ephemeral bool

	// Name is the operator's, above every page; "Valet Key" when empty.
	Name string
	// Users is the embedder's own user base; nil uses the built-in one.
	Users Users
	// Signup lets anybody make an account of their own; SignupDomains only those
	// who prove an address of these domains, SignupVerify whoever proves one, and
	// SignupInvite whoever was invited.
	Signup        bool
	SignupDomains []string
	SignupVerify  bool
	SignupInvite  bool

	// Authenticators are the ways to sign in; nil is password, passkeys and the
	// connectors, with the second factors that people have set up.
	Authenticators []Authenticator
	// Connectors ask other providers who somebody is.
	Connectors []Connector
	// Groups says what goes with membership in a group.
	Groups map[string]GroupPolicy
	// LeakedPasswords is the address of a service that is asked whether a password
	// was leaked, by five characters of its hash: https://api.pwnedpasswords.com.
	// Empty: only the list that is built in.
	LeakedPasswords string

	// Brand is how the pages look, and Brands how they look for single apps, by
	// client id.
	Brand  Brand
	Brands map[string]Brand
	// OwnTemplates is a folder of page templates of the operator's own: one of a
	// name of ours takes its place, others stand beside them.
	OwnTemplates string

	// Mail says through whom letters are sent; nil: none are. Mailbox keeps them in
	// memory instead and shows them at /mailbox: for demos and tests.
	Mail    *Mail
	Mailbox bool
	// Scopes and Resources are declared beside those in the database.
	Scopes    []oauth.Scope
	Resources []oauth.Resource

	// Registration says who may register clients at /register: closed (the zero
	// value), token or open. RegistrationProfile is the profile of those that
	// can authenticate; empty is compatible.
	Registration        oauth.RegistrationMode
	RegistrationProfile oauth.Profile
	// Documents says which https addresses are taken as client ids.
	Documents oauth.DocumentPolicy
	// TrustedIssuers may vouch for people by the JWT bearer grant.
	TrustedIssuers []oauth.TrustedIssuer
	// DPoPNonce makes clients put a nonce of ours into their DPoP proofs:
	// RFC 9449 §8.
	DPoPNonce bool

	// MTLSURL is where Server.MTLS is reached from outside, such as
	// https://auth.example.com:8443; it appears as mtls_endpoint_aliases.
	MTLSURL string
	// ClientCAs sign the certificates of clients that use tls_client_auth; nil:
	// that method is not offered.
	ClientCAs *x509.CertPool
	// CertificateHeader is the header in which a trusted proxy hands on the
	// certificate of a client: RFC 9440's Client-Cert, or one with a
	// percent-encoded PEM as nginx writes it. Empty: none is read.
	CertificateHeader string

	// FetchAllowLoopback lets the server fetch from this machine, by http too:
	// for tests and demos. FetchRoots are the authorities that sign what it
	// fetches from; nil is the system's.
	FetchAllowLoopback bool
	FetchRoots         *x509.CertPool

	// TrustedProxies may say by X-Forwarded-For where a request came from.
	TrustedProxies []netip.Prefix
	// ThrottleOff lets sign-ins be tried, and clients be registered, without
	// limit: for tests only.
	ThrottleOff bool
	// AccessLifetime of access tokens; zero is 10 minutes.
	AccessLifetime time.Duration
	// Templates names a folder whose page templates are read at each request;
	// for work on the pages.
	Templates string
	// OneOff is for a command that looks or changes and ends: no signing key is
	// made and nothing runs beside it. It can't serve requests.
	OneOff bool
	// AccessLog writes a line for each request.
	AccessLog bool
	// OperationsElsewhere leaves /healthz, /readyz and /metrics to
	// Server.Operations, behind a listener of its own.
	OperationsElsewhere bool
	// Traces says where traces go; nil: nothing is traced.
	Traces *Traces
	// Certificate is shown in the metrics; nil: none is.
	Certificate Certificate
	// Version is the program's, for metrics and traces; empty: the module's.
	Version string

	Log *slog.Logger     // nil: slog.Default()
	Now func() time.Time // nil: time.Now
	// Phones is what authenticator apps go by, where Now is moved and people's
	// phones aren't; nil is Now.
	Phones func() time.Time
}

// Users is an embedder's own user base: it checks passwords and tells the
// claims of OpenID Connect Core §5.1. Authenticate answers ErrWrongPassword
// when it is not that user's password, or nobody has that name.
type Users interface {
	oauth.Users
	Authenticate(ctx context.Context, username, password string) (subject string, err error)
}

// ErrWrongPassword is what a Users answers for a wrong name or password.
var ErrWrongPassword = login.ErrWrong

// NewMasterSecret makes the content of a new master-secret file.
func NewMasterSecret() []byte { return seal.Generate() }

// check judges what can be judged before anything is opened.
func (c *Config) check() error {
	if err := CheckIssuer(c.Issuer); err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	for _, s := range c.Scopes {
		if !oauth.ValidScopeName(s.Name) {
			return fmt.Errorf("scope %q is not a name of printable ASCII without space, quote or backslash", s.Name)
		}
	}
	byMail := slices.ContainsFunc(c.Authenticators, func(a Authenticator) bool { return a.Name == login.WayEmail })
	if byMail && c.Mail == nil && !c.Mailbox {
		return errors.New("authenticators: email needs mail: nobody could get a code")
	}
	return c.checkEphemeral()
}

// CheckIssuer judges what Config.Issuer may be: RFC 8414 §2.
func CheckIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return errors.New("it is missing: the public address of the server, such as https://auth.example.com")
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("%q is not an address such as https://auth.example.com", issuer)
	case strings.HasSuffix(issuer, "/"):
		return fmt.Errorf("%q must not end with a slash", issuer)
	case u.Path != "":
		return fmt.Errorf("%q must not have a path", issuer)
	case u.Scheme != "https" && (u.Scheme != "http" || !oauth.IsLoopbackHost(u.Hostname())):
		return fmt.Errorf("%q must use https; http is for a loopback host only", issuer)
	}
	return nil
}

func (c *Config) fill() {
	if c.Database == "" {
		c.Database = memoryDatabase
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Log = endpoint.WithRequests(c.Log)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Name == "" {
		c.Name = "Valet Key"
	}
}

// name is what people know the server by, on paper and in their authenticator apps
// as on its pages.
func (c *Config) name() string { return cmp.Or(c.Brand.Name, c.Name) }

const memoryDatabase = "sqlite::memory:"

// keyring finds the master secret, or makes it where that is safe.
func (c *Config) keyring() (*seal.Keyring, error) { return c.findKeyring(true) }

// findKeyring makes none without create.
func (c *Config) findKeyring(create bool) (*seal.Keyring, error) {
	file := c.MasterSecretFile
	path, sqlite := strings.CutPrefix(c.Database, "sqlite:")
	switch {
	case c.MasterSecret != nil:
		return seal.Parse(c.MasterSecret)
	case file == "" && c.Database == memoryDatabase:
		return seal.Parse(seal.Generate())
	case file == "" && sqlite:
		file = filepath.Join(filepath.Dir(path), "master-secret")
	case file == "":
		return nil, errors.New("master-secret-file is missing: nodes on PostgreSQL share one, made by (umask 077; valetkey secret > master-secret)")
	}
	return readKeyring(file, sqlite && create)
}

// readKeyring refuses a file that others can read.
func readKeyring(file string, create bool) (*seal.Keyring, error) {
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) && create {
		if err := writeSecret(file); err != nil {
			return nil, fmt.Errorf("make master secret: %w", err)
		}
		info, err = os.Stat(file)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("master secret: %w", err)
	case readByOthers(info):
		return nil, fmt.Errorf("master secret %s can be read by others (mode %04o); run: chmod 600 %s", file, info.Mode().Perm(), file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("master secret: %w", err)
	}
	ring, err := seal.Parse(content)
	if err != nil {
		return nil, fmt.Errorf("master secret %s: %w", file, err)
	}
	return ring, nil
}

// writeSecret writes to a name of its own and links it into place, so that of
// two processes that start together one wins whole.
func writeSecret(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".master-secret-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(seal.Generate())
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), file); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
