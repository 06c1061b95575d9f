package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/mail"
)

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
		{"failover", s.Failover, oneOf("refuse", "keep")},
		{"throttle", s.Throttle, oneOf("on", "off")},
		{"log-level", s.LogLevel, oneOf("debug", "info", "warn", "error")},
		{"log-format", s.LogFormat, oneOf("text", "json")},
		{"database", s.Database, judgeDatabase},
		{"listen", s.Listen, judgeListen},
		{"issuer", s.Issuer, valetkey.CheckIssuer},
		{"mtls-listen", s.MTLSListen, optional(judgeListen)},
		{"ops-listen", s.OpsListen, optional(judgeListen)},
		{"profiling", s.Profiling, oneOf("on", "off")},
		{"otlp-endpoint", s.OTLPEndpoint, optional(judgeOTLP)},
		{"mtls-url", s.MTLSURL, optional(judgeMTLSURL)},
		{"mtls-header", s.MTLSHeader, optional(judgeHeader)},
		{"dpop-nonce", s.DPoPNonce, oneOf("on", "off")},
		{"registration", s.Registration, oneOf("closed", "token", "open")},
		{"registration-profile", s.RegistrationProfile, oneOf("compatible", "oauth21", "fapi2")},
		{"client-id-documents", s.ClientIDDocuments, oneOf("on", "off")},
		{"smtp", s.SMTP, optional(judgeSMTP)},
		{"smtp-from", s.SMTPFrom, optional(judgeFrom)},
		{"signup-domains", strings.Join(s.SignupDomains, ","), optional(judgeDomains)},
		{"leaked-passwords", s.LeakedPasswords, optional(judgeWeb)},
		{"client-id-hosts", strings.Join(s.ClientIDHosts, ","), optional(judgeHosts)},
	} {
		if err := one.ok(one.value); err != nil {
			return usageError{fmt.Errorf("%s: %s: %w", s.Config.origin(one.key), one.key, err)}
		}
	}
	if _, err := s.proxies(); err != nil {
		return err
	}
	return s.checkTogether()
}

// checkTogether judges what settings say of each other.
func (s *Settings) checkTogether() error {
	refuse := func(why string, keys ...string) error {
		return usageError{fmt.Errorf("%s: %s", s.Config.origin(keys...), why)}
	}
	switch {
	case s.SMTP == "" && (s.SMTPPasswordFile != "" || s.SMTPCAFile != ""):
		return refuse("smtp-password-file and smtp-ca-file need smtp: the server that they are for", "smtp-password-file", "smtp-ca-file")
	case (s.SMTP == "") != (s.SMTPFrom == ""):
		return refuse("smtp and smtp-from belong together; one is missing", "smtp", "smtp-from")
	case (len(s.SignupDomains) > 0 || s.SignupVerify) && s.SMTP == "":
		return refuse("signup-domains and signup-verify need smtp: addresses are proven by mail", "signup-domains", "signup-verify")
	case (len(s.SignupDomains) > 0 || s.SignupVerify) && !s.Signup:
		return refuse("signup-domains and signup-verify narrow signup, which is off", "signup-domains", "signup-verify")
	case (len(s.SignupDomains) > 0 || s.SignupVerify) && s.SignupInvite:
		return refuse("signup-domains and signup-verify mean nothing beside signup-invite: whoever was invited may have any address", "signup-domains", "signup-verify")
	case s.SignupInvite && !s.Signup:
		return refuse("signup-invite narrows signup, which is off; without both, who was invited makes an account just the same", "signup-invite")
	case (s.TLSCert == "") != (s.TLSKey == ""):
		return refuse("tls-cert and tls-key belong together; one is missing", "tls-cert", "tls-key")
	case s.MTLSListen != "" && s.TLSCert == "":
		return refuse("mtls-listen needs tls-cert and tls-key: a client shows its certificate to a TLS listener only", "mtls-listen")
	case s.MTLSListen != "" && s.MTLSListen == s.Listen:
		return refuse("mtls-listen needs an address of its own beside listen", "mtls-listen")
	case s.OpsListen != "" && (s.OpsListen == s.Listen || s.OpsListen == s.MTLSListen):
		return refuse("ops-listen needs an address of its own beside listen and mtls-listen", "ops-listen")
	case s.Profiling == "on" && s.OpsListen == "":
		return refuse("profiling needs ops-listen: strangers reach the other address", "profiling")
	case s.StopDelay < 0 || s.StopDelay > 5*time.Minute:
		return refuse("stop-delay is from 0s to 5m", "stop-delay")
	case judgeRatio(s.TraceRatio) != nil:
		return refuse("trace-ratio: "+judgeRatio(s.TraceRatio).Error(), "trace-ratio")
	case s.MTLSHeader != "" && len(s.TrustedProxies) == 0:
		return refuse("mtls-header needs trusted-proxies: anybody else could send that header", "mtls-header")
	case s.MTLSURL != "" && s.MTLSListen == "" && s.MTLSHeader == "":
		return refuse("mtls-url needs mtls-listen, or mtls-header behind a proxy", "mtls-url")
	case s.MTLSCAFile != "" && s.MTLSListen == "" && s.MTLSHeader == "":
		return refuse("mtls-ca-file needs mtls-listen, or mtls-header behind a proxy", "mtls-ca-file")
	}
	return nil
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

// optional lets a setting be left out.
func optional(ok func(string) error) func(string) error {
	return func(v string) error {
		if v == "" {
			return nil
		}
		return ok(v)
	}
}

func judgeDatabase(v string) error {
	if v == "" || strings.HasPrefix(v, "sqlite:") || strings.HasPrefix(v, "postgres://") || strings.HasPrefix(v, "postgresql://") {
		return nil
	}
	return errors.New("write sqlite:PATH or postgres://USER@HOST/NAME")
}

func judgeSMTP(v string) error {
	_, err := mail.ParseSMTPURL(v)
	return err
}

func judgeFrom(v string) error { return valetkey.Mail{From: v}.CheckFrom() }

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

func judgeMTLSURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || v != "https://"+u.Host {
		return fmt.Errorf("%q is not an https address without path, such as https://auth.example.com:8443", v)
	}
	return nil
}

func judgeHeader(v string) error {
	if !httpguts.ValidHeaderFieldName(v) {
		return fmt.Errorf("%q is not the name of a header, such as Client-Cert", v)
	}
	return nil
}

var hostPattern = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// judgeDomains: an entry that no address can have lets nobody sign up.
func judgeDomains(v string) error {
	for one := range strings.SplitSeq(v, ",") {
		if strings.ContainsAny(one, "@*/: \t") || one == "" || strings.Trim(one, ".") != one {
			return fmt.Errorf("%q is not a domain such as example.com: write it without @, blanks and stars", one)
		}
	}
	return nil
}

func judgeHosts(v string) error {
	for one := range strings.SplitSeq(v, ",") {
		if !hostPattern.MatchString(one) {
			return fmt.Errorf("%q is not a host such as app.example, or *.example for those below it", one)
		}
	}
	return nil
}

// mtlsURL is where clients find the listener for their certificates.
func (s *Settings) mtlsURL() string {
	issuer, err := url.Parse(s.Issuer)
	if err != nil || s.MTLSURL != "" || s.MTLSListen == "" {
		return s.MTLSURL
	}
	host := issuer.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	_, port, _ := net.SplitHostPort(s.MTLSListen) // judged by check
	if port == "443" {
		return "https://" + host
	}
	return "https://" + host + ":" + port
}

// pool reads the certificates of a setting that may be left out.
func (s *Settings) pool(key, file string, read func(string) (*x509.CertPool, error)) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pool, err := read(file)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %s: %w", s.Config.origin(key), key, err)}
	}
	return pool, nil
}

// poolOf trusts a file's certificates.
func poolOf(file string) (*x509.CertPool, error) { return addTo(x509.NewCertPool(), file) }

// systemAnd trusts a file's certificates beside the system's.
func systemAnd(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	return addTo(pool, file)
}

func addTo(pool *x509.CertPool, file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s has no certificate in PEM, that is, between BEGIN CERTIFICATE and END CERTIFICATE", file)
	}
	return pool, nil
}
