package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// Settings are the flags of every command. Each is also a key of the
// configuration file and an environment variable; a flag wins over the
// variable, the variable over the file.
type Settings struct {
	Config           configFile `help:"Configuration file (YAML)." placeholder:"FILE" env:"VALETKEY_CONFIG"`
	Listen           string     `help:"Address to listen on." default:"127.0.0.1:8080" env:"VALETKEY_LISTEN"`
	Issuer           string     `help:"Public address of the server; default: localhost at the port listened on." env:"VALETKEY_ISSUER"`
	Database         string     `help:"sqlite:PATH or postgres://…; default: valetkey.db in the data folder." env:"VALETKEY_DATABASE"`
	Failover         string     `help:"When a PostgreSQL standby takes over that wasn't synchronous: refuse to go on until valetkey doctor --recover, or keep going." default:"refuse" env:"VALETKEY_FAILOVER"`
	DataDir          string     `help:"Folder for the database and the master secret." default:"./data" env:"VALETKEY_DATA_DIR"`
	MasterSecretFile string     `help:"Keys under which everything is sealed; default: master-secret in the data folder." env:"VALETKEY_MASTER_SECRET_FILE"`
	Brand            string     `help:"Name above every page." default:"Valet Key" env:"VALETKEY_BRAND"`
	Signup           bool       `help:"Let anybody make an account." env:"VALETKEY_SIGNUP"`
	TLSCert          string     `name:"tls-cert" help:"Certificate file (PEM)." env:"VALETKEY_TLS_CERT"`
	TLSKey           string     `name:"tls-key" help:"Key file of the certificate (PEM)." env:"VALETKEY_TLS_KEY"`
	TrustedProxies   []string   `help:"Networks whose X-Forwarded-For is believed." placeholder:"CIDR" env:"VALETKEY_TRUSTED_PROXIES"`

	MTLSListen string `name:"mtls-listen" help:"Address of a second listener that asks for client certificates." placeholder:"HOST:PORT" env:"VALETKEY_MTLS_LISTEN"`
	MTLSURL    string `name:"mtls-url" help:"Its public address; default: the issuer's host at its port." placeholder:"URL" env:"VALETKEY_MTLS_URL"`
	MTLSCAFile string `name:"mtls-ca-file" help:"Authorities (PEM) of client certificates, for tls_client_auth." placeholder:"FILE" env:"VALETKEY_MTLS_CA_FILE"`
	MTLSHeader string `name:"mtls-header" help:"Header in which a trusted proxy passes a client's certificate on." placeholder:"NAME" env:"VALETKEY_MTLS_HEADER"`
	DPoPNonce  string `name:"dpop-nonce" help:"Put a nonce of the server into DPoP proofs: on or off." default:"off" env:"VALETKEY_DPOP_NONCE"`

	Registration        string   `help:"Who may register apps at /register: closed, token or open." default:"closed" env:"VALETKEY_REGISTRATION"`
	RegistrationProfile string   `help:"Profile of apps that register and can authenticate: compatible, oauth21 or fapi2." default:"compatible" env:"VALETKEY_REGISTRATION_PROFILE"`
	ClientIDDocuments   string   `name:"client-id-documents" help:"Take https addresses of metadata documents as client ids: on or off." default:"on" env:"VALETKEY_CLIENT_ID_DOCUMENTS"`
	ClientIDHosts       []string `name:"client-id-hosts" help:"Only those of these hosts." placeholder:"HOST" env:"VALETKEY_CLIENT_ID_HOSTS"`
	FetchAllowLoopback  bool     `help:"Let the server fetch from this machine, by http too: for tests." env:"VALETKEY_FETCH_ALLOW_LOOPBACK"`
	FetchCAFile         string   `name:"fetch-ca-file" help:"Certificates (PEM) to trust beside the system's when fetching." placeholder:"FILE" env:"VALETKEY_FETCH_CA_FILE"`

	SMTP             string   `name:"smtp" help:"Mail server: smtp://USER@HOST:587 (STARTTLS) or smtps://USER@HOST:465." placeholder:"URL" env:"VALETKEY_SMTP"`
	SMTPPasswordFile string   `name:"smtp-password-file" help:"File with the password for the mail server." placeholder:"FILE" env:"VALETKEY_SMTP_PASSWORD_FILE"`
	SMTPFrom         string   `name:"smtp-from" help:"Address that letters come from." placeholder:"ADDRESS" env:"VALETKEY_SMTP_FROM"`
	SMTPCAFile       string   `name:"smtp-ca-file" help:"Authorities (PEM) of the mail server, beside the system's." placeholder:"FILE" env:"VALETKEY_SMTP_CA_FILE"`
	SignupDomains    []string `help:"Only for addresses of these domains, which must be proven." placeholder:"DOMAIN" env:"VALETKEY_SIGNUP_DOMAINS"`
	SignupVerify     bool     `help:"Addresses must be proven before an account is made." env:"VALETKEY_SIGNUP_VERIFY"`
	SignupInvite     bool     `help:"Only for who was invited (valetkey user invite)." env:"VALETKEY_SIGNUP_INVITE"`
	LeakedPasswords  string   `help:"Service that is asked, by five characters of a hash, whether a new password was leaked: https://api.pwnedpasswords.com." placeholder:"URL" env:"VALETKEY_LEAKED_PASSWORDS"`

	OpsListen    string        `name:"ops-listen" help:"Address of a listener for /metrics, /healthz and /readyz alone, without TLS." placeholder:"HOST:PORT" env:"VALETKEY_OPS_LISTEN"`
	Profiling    string        `help:"Offer /debug/pprof at ops-listen: on or off." default:"off" env:"VALETKEY_PROFILING"`
	StopDelay    time.Duration `help:"How long a server that was asked to stop goes on while /readyz says no." default:"0s" env:"VALETKEY_STOP_DELAY"`
	OTLPEndpoint string        `name:"otlp-endpoint" help:"OpenTelemetry collector that traces go to, by HTTP; default: OTEL_EXPORTER_OTLP_ENDPOINT." placeholder:"URL" env:"VALETKEY_OTLP_ENDPOINT"`
	TraceRatio   *float64      `help:"Part of the requests that are traced, 0 to 1; default: OTEL_TRACES_SAMPLER, else all." placeholder:"RATIO" env:"VALETKEY_TRACE_RATIO"`

	Throttle  string `help:"Slow sign-ins after wrong passwords: on or off (for tests)." default:"on" env:"VALETKEY_THROTTLE"`
	LogLevel  string `help:"debug, info, warn or error." default:"info" env:"VALETKEY_LOG_LEVEL"`
	LogFormat string `help:"text or json." default:"text" env:"VALETKEY_LOG_FORMAT"`
	Templates string `help:"Read page templates from this folder at each request, while working on them." env:"VALETKEY_TEMPLATES" hidden:""`

	seed seed
}

// server makes the configuration of a server of these settings.
func (s *Settings) server(c console) (valetkey.Config, error) {
	if err := s.check(); err != nil {
		return valetkey.Config{}, err
	}
	proxies, err := s.proxies()
	if err != nil {
		return valetkey.Config{}, err
	}
	if s.Database == "" {
		s.Database = "sqlite:" + filepath.Join(s.DataDir, "valetkey.db")
		if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
			return valetkey.Config{}, fmt.Errorf("data folder: %w", err)
		}
		if s.MasterSecretFile == "" {
			s.MasterSecretFile = filepath.Join(s.DataDir, "master-secret")
		}
	}
	clientCAs, err := s.pool("mtls-ca-file", s.MTLSCAFile, poolOf)
	if err != nil {
		return valetkey.Config{}, err
	}
	fetchRoots, err := s.pool("fetch-ca-file", s.FetchCAFile, systemAnd)
	if err != nil {
		return valetkey.Config{}, err
	}
	post, err := s.mail()
	if err != nil {
		return valetkey.Config{}, err
	}
	if err := s.seed.check(post != nil); err != nil {
		return valetkey.Config{}, err
	}
	return valetkey.Config{
		Mail: post, SignupDomains: s.SignupDomains, SignupVerify: s.SignupVerify, SignupInvite: s.SignupInvite, LeakedPasswords: s.LeakedPasswords,
		Brand: s.seed.Brand, Brands: s.seed.Brands, OwnTemplates: s.seed.OwnTemplates,
		Authenticators: s.seed.Chain, Connectors: s.seed.Connectors, Groups: s.seed.groups(),
		Issuer: s.Issuer, Database: s.Database, FailoverKeep: s.Failover == "keep", MasterSecretFile: s.MasterSecretFile, Name: s.Brand, Signup: s.Signup,
		TrustedProxies: proxies, ThrottleOff: s.Throttle == "off", Templates: s.Templates, Log: s.logger(c),
		Scopes: s.seed.scopes(), Resources: s.seed.resources(),
		Registration: oauth.RegistrationMode(s.Registration), RegistrationProfile: oauth.Profile(s.RegistrationProfile),
		Documents:      oauth.DocumentPolicy{Off: s.ClientIDDocuments == "off", Hosts: s.ClientIDHosts},
		TrustedIssuers: s.seed.trustedIssuers(), DPoPNonce: s.DPoPNonce == "on",
		MTLSURL: s.mtlsURL(), ClientCAs: clientCAs, CertificateHeader: s.MTLSHeader,
		FetchAllowLoopback: s.FetchAllowLoopback, FetchRoots: fetchRoots,
	}, nil
}

// mail is how letters leave; nil: they don't.
func (s *Settings) mail() (*valetkey.Mail, error) {
	if s.SMTP == "" {
		return nil, nil //nolint:nilnil // there is no mail
	}
	roots, err := s.pool("smtp-ca-file", s.SMTPCAFile, systemAnd)
	if err != nil {
		return nil, err
	}
	post := &valetkey.Mail{URL: s.SMTP, From: s.SMTPFrom, Roots: roots}
	if s.SMTPPasswordFile != "" {
		content, err := os.ReadFile(s.SMTPPasswordFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: smtp-password-file: %w", s.Config.origin("smtp-password-file"), err)}
		}
		post.Password = strings.TrimRight(string(content), "\r\n")
	}
	if err := post.CheckServer(); err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", s.Config.origin("smtp"), err)}
	}
	return post, nil
}

func (s *Settings) logger(c console) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // judged by check
	options := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(c.err, options))
	}
	return slog.New(slog.NewTextHandler(c.err, options))
}

// explain adds to a parser's error where the value came from.
func (s *Settings) explain(args []string, err error) error {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return err
	}
	for _, flag := range parse.Context.Flags() {
		if strings.Contains(err.Error(), "--"+flag.Name) && !given(args, flag.Name) {
			return fmt.Errorf("%s: %w", s.Config.origin(flag.Name), err)
		}
	}
	return err
}

func given(args []string, name string) bool {
	for _, a := range args {
		if a == "--"+name || strings.HasPrefix(a, "--"+name+"=") {
			return true
		}
	}
	return false
}

// open makes the server itself, for the commands that work on its data.
func (s *Settings) open(ctx context.Context, c console) (*valetkey.Server, error) {
	config, err := s.server(c)
	if err != nil {
		return nil, err
	}
	if s.LogLevel == "info" {
		config.Log = slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	config.OneOff = true
	return valetkey.New(ctx, config)
}
