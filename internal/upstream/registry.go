package upstream

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
)

// Connector is one provider that people may sign in with. Any number of
// goroutines may use it.
type Connector struct {
	Name, Title, Kind string
	Order             int
	Domains           []string // of email addresses whose owners are sent here
	ACR               []string // acr_values that lead here
	AutoCreate        *bool

	engine engine
}

// engine is what a kind of connector can do; what it can't is nil.
type engine struct {
	begin     func(context.Context, Request) (string, error)
	finish    func(context.Context, Request, Callback) (Identity, error)
	password  func(ctx context.Context, username, password string) (Identity, error)
	logoutURL func(ctx context.Context, idToken, postLogoutRedirectURI, state string) (string, error)
	logout    func(ctx context.Context, token string) (logoutToken, error)
	test      func(context.Context) []Check
	close     func()
}

// Registry holds the connectors that are switched on.
type Registry struct{ list []*Connector }

// New makes connectors. It asks nobody anything yet: a provider that is down
// stops no start. An error names the connector and wraps a *FieldError.
func New(configs []Config, env Environment) (*Registry, error) {
	if env.Now == nil {
		return nil, errors.New("upstream: no clock")
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	env.UserAgent = cmp.Or(env.UserAgent, "valetkey")
	env.whole, env.step = cmp.Or(env.whole, wholeTime), cmp.Or(env.step, stepTime)
	r := &Registry{}
	for i, c := range configs {
		if err := admit(c, configs[:i], env); err != nil {
			return nil, fmt.Errorf("connectors: %s: %w", c.Name, err)
		}
		connector, err := newConnector(c.resolved(), env)
		if err != nil {
			return nil, fmt.Errorf("connectors: %s: %w", c.Name, err)
		}
		if c.enabled() {
			r.list = append(r.list, connector)
		}
	}
	slices.SortStableFunc(r.list, func(a, b *Connector) int { return cmp.Compare(a.Order, b.Order) })
	return r, nil
}

// admit: what names people must name the same people wherever it stands.
func admit(c Config, others []Config, env Environment) error {
	if err := c.Check(); err != nil {
		return err
	}
	full := c.resolved()
	if env.Issuer != "" && full.Issuer == env.Issuer {
		return &FieldError{"issuer", "is this server itself"}
	}
	for _, o := range others {
		other := o.resolved()
		switch {
		case o.Name == c.Name:
			return &FieldError{"name", "is used twice"}
		case directoryIssuer(full) == directoryIssuer(other) && !full.sameProvider(other):
			return &FieldError{"issuer", "is connector " + o.Name + "'s too, at another address; their people would be taken for each other"}
		}
	}
	return nil
}

func directoryIssuer(c Config) string {
	if presets[c.Kind].family == familyLDAP {
		return c.directoryName()
	}
	return c.Issuer
}

// sameProvider: two connectors may lead to one provider, with other settings.
func (c Config) sameProvider(other Config) bool {
	family := presets[c.Kind].family
	return family == presets[other.Kind].family && c.Subject == other.Subject &&
		(family != familyOAuth2 || c.ProfileURL == other.ProfileURL) &&
		(family != familyLDAP || c.Issuer != "" || slices.Equal(c.URL, other.URL))
}

func newConnector(c Config, env Environment) (*Connector, error) {
	var err error
	if c.ClientSecret, err = readSecret(c.ClientSecret, "client_secret_file", c.SecretFile); err != nil {
		return nil, err
	}
	if c.BindPassword, err = readSecret(c.BindPassword, "bind_password_file", c.BindPasswordFile); err != nil {
		return nil, err
	}
	if c.CAFile != "" {
		if env.Roots, err = readRoots(c.CAFile); err != nil {
			return nil, err
		}
	}
	return &Connector{
		Name: c.Name, Title: c.Title, Kind: c.Kind, Order: c.Order, Domains: c.Domains, ACR: c.ACR, AutoCreate: c.AutoCreate,
		engine: newEngine(c, env),
	}, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		return nil, &FieldError{"ca_file", "can't be read, or has no certificate in PEM"}
	}
	return roots, nil
}

func newEngine(c Config, env Environment) engine {
	g := guard{loopback: env.AllowLoopback, private: c.AllowPrivate}
	out := newOutbound(g, env)
	switch presets[c.Kind].family {
	case familyOIDC:
		o := newOIDC(c, g, out, env.Now)
		return engine{
			begin: o.begin, finish: o.finish, logoutURL: o.logoutURL, logout: o.logout, test: o.test,
			close: out.http.CloseIdleConnections,
		}
	case familyOAuth2:
		o := newOAuth2(c, out)
		return engine{begin: o.begin, finish: o.finish, test: o.test, close: out.http.CloseIdleConnections}
	}
	d := newDirectory(c, g, env)
	return engine{password: d.password, test: d.test, close: func() {}}
}
