package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/valetkey/valetkey"
)

// Settings are the flags of every command. Each is also a key of the
// configuration file and an environment variable; a flag wins over the
// variable, the variable over the file.
type Settings struct {
	Config           configFile `help:"Configuration file (YAML)." placeholder:"FILE" env:"VALETKEY_CONFIG"`
	Listen           string     `help:"Address to listen on." default:"127.0.0.1:8080" env:"VALETKEY_LISTEN"`
	Issuer           string     `help:"Public address of the server; default: localhost at the port listened on." env:"VALETKEY_ISSUER"`
	Database         string     `help:"sqlite:PATH or postgres://…; default: valetkey.db in the data folder." env:"VALETKEY_DATABASE"`
	DataDir          string     `help:"Folder for the database and the master secret." default:"./data" env:"VALETKEY_DATA_DIR"`
	MasterSecretFile string     `help:"Keys under which everything is sealed; default: master-secret in the data folder." env:"VALETKEY_MASTER_SECRET_FILE"`
	Brand            string     `help:"Name above every page." default:"Valet Key" env:"VALETKEY_BRAND"`
	Signup           bool       `help:"Let anybody make an account." env:"VALETKEY_SIGNUP"`
	TLSCert          string     `name:"tls-cert" help:"Certificate file (PEM)." env:"VALETKEY_TLS_CERT"`
	TLSKey           string     `name:"tls-key" help:"Key file of the certificate (PEM)." env:"VALETKEY_TLS_KEY"`
	TrustedProxies   []string   `help:"Networks whose X-Forwarded-For is believed." placeholder:"CIDR" env:"VALETKEY_TRUSTED_PROXIES"`
	Throttle         string     `help:"Slow sign-ins after wrong passwords: on or off (for tests)." default:"on" env:"VALETKEY_THROTTLE"`
	LogLevel         string     `help:"debug, info, warn or error." default:"info" env:"VALETKEY_LOG_LEVEL"`
	LogFormat        string     `help:"text or json." default:"text" env:"VALETKEY_LOG_FORMAT"`
	Templates        string     `help:"Read page templates from this folder at each request, while working on them." env:"VALETKEY_TEMPLATES" hidden:""`

	seed seed
}

// setting judges the value of one key.
type setting struct {
	key   string
	value string
	ok    func(string) error
}

// check judges values and names where a bad one came from.
func (s *Settings) check() error {
	if s.Issuer == "" {
		s.Issuer = localIssuer(s.Listen, s.TLSCert != "")
	}
	for _, one := range []setting{
		{"throttle", s.Throttle, oneOf("on", "off")},
		{"log-level", s.LogLevel, oneOf("debug", "info", "warn", "error")},
		{"log-format", s.LogFormat, oneOf("text", "json")},
		{"database", s.Database, judgeDatabase},
		{"listen", s.Listen, judgeListen},
		{"issuer", s.Issuer, valetkey.CheckIssuer},
	} {
		if err := one.ok(one.value); err != nil {
			return usageError{fmt.Errorf("%s: %s: %w", s.Config.origin(one.key), one.key, err)}
		}
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return usageError{fmt.Errorf("%s: tls-cert and tls-key belong together; one is missing", s.Config.origin("tls-cert", "tls-key"))}
	}
	_, err := s.proxies()
	return err
}

// localIssuer is where this machine's own browser finds the server.
func localIssuer(listen string, secure bool) string {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://localhost:8080" // listen's own judge says what is wrong
	}
	if secure {
		return "https://localhost:" + port
	}
	return "http://localhost:" + port
}

func oneOf(allowed ...string) func(string) error {
	return func(v string) error {
		for _, a := range allowed {
			if v == a {
				return nil
			}
		}
		return fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
	}
}

func judgeDatabase(v string) error {
	if v == "" || strings.HasPrefix(v, "sqlite:") || strings.HasPrefix(v, "postgres://") || strings.HasPrefix(v, "postgresql://") {
		return nil
	}
	return errors.New("write sqlite:PATH or postgres://USER@HOST/NAME")
}

func judgeListen(v string) error {
	if _, port, ok := strings.Cut(v, ":"); !ok || port == "" {
		return fmt.Errorf("%q is not HOST:PORT, such as 127.0.0.1:8080", v)
	}
	return nil
}

func (s *Settings) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range s.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if ip, e := netip.ParseAddr(text); err != nil && e == nil {
			prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: trusted-proxies: %q is not a network such as 10.0.0.0/8", s.Config.origin("trusted-proxies"), text)}
		}
		out = append(out, prefix)
	}
	return out, nil
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
	return valetkey.Config{
		Issuer: s.Issuer, Database: s.Database, MasterSecretFile: s.MasterSecretFile, Name: s.Brand, Signup: s.Signup,
		TrustedProxies: proxies, ThrottleOff: s.Throttle == "off", Templates: s.Templates, Log: s.logger(c),
		Scopes: s.seed.scopes(), Resources: s.seed.resources(),
	}, nil
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
