package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/valetkey/valetkey"
)

// examineFiles looks at who can read what the settings name, and at the
// certificate. The master secret is looked at with the database.
func (s *Settings) examineFiles(issuer string) (found []valetkey.Finding) {
	if file := string(s.Config); file != "" && othersRead(file) && holdsSecret(file) {
		found = append(found, warning("configuration", "chmod 640 "+file+", with a group for the server", "%s holds secrets and can be read by everybody on this machine", file))
	}
	if s.TLSCert == "" {
		return found
	}
	if othersRead(s.TLSKey) {
		found = append(found, bad("TLS", "chmod 640 "+s.TLSKey+", with a group for the server", "the key %s can be read by everybody on this machine", s.TLSKey))
	}
	pair, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
	if err != nil {
		return append(found, bad("TLS", "check tls-cert and tls-key", "%v", err))
	}
	return append(found, judgeCertificate(s.TLSCert, pair.Leaf, issuer))
}

func othersRead(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().Perm()&0o007 != 0
}

// secretKeys are those of the configuration file whose values are secrets, and
// database addresses with a password.
var secretKeys = regexp.MustCompile(`(?m)\b(secret|password|client-secret|client_secret)["']?\s*:|postgres(ql)?://[^\s/@]+:[^\s/@]+@`)

func holdsSecret(file string) bool {
	content, err := os.ReadFile(file)
	return err == nil && secretKeys.Match(content)
}

const renewBefore = 14 * 24 * time.Hour

func judgeCertificate(whose string, leaf *x509.Certificate, issuer string) valetkey.Finding {
	host := issuer
	if u, err := url.Parse(issuer); err == nil {
		host = u.Hostname()
	}
	left := time.Until(leaf.NotAfter)
	ends := leaf.NotAfter.UTC().Format(time.DateOnly)
	switch err := leaf.VerifyHostname(host); {
	case err != nil:
		return bad("TLS", "get a certificate for "+host, "the certificate of %s isn't for the issuer's host: %v", whose, err)
	case left <= 0:
		return bad("TLS", "renew it", "the certificate of %s ended on %s", whose, ends)
	case time.Until(leaf.NotBefore) > 0:
		return bad("TLS", "check this machine's clock, or the certificate", "the certificate of %s begins on %s only", whose, leaf.NotBefore.UTC().Format(time.DateOnly))
	case left < renewBefore:
		return warning("TLS", "renew it", "the certificate of %s ends in %d days, on %s", whose, left/(24*time.Hour), ends)
	}
	return fine("TLS", "the certificate of %s is good for %d days", whose, left/(24*time.Hour))
}

// examineIssuer asks the server at its public address, as others do.
func examineIssuer(ctx context.Context, config valetkey.Config, kids []string) []valetkey.Finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	v := visitor{issuer: config.Issuer, client: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: config.FetchRoots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	found, alive := v.alive(ctx)
	if !alive {
		return found
	}
	return append(found, v.itself(ctx, kids))
}

type visitor struct {
	issuer string
	client *http.Client
}

// answer is what a GET brought.
type answer struct {
	status  int
	words   string // of the status
	date    string
	leaf    *x509.Certificate // nil without TLS
	content []byte            // up to 1 MiB
}

func (v visitor) get(ctx context.Context, address string) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return a, err
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	a = answer{status: resp.StatusCode, words: resp.Status, date: resp.Header.Get("Date")}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		a.leaf = resp.TLS.PeerCertificates[0]
	}
	a.content, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return a, err
}

// metadata is what the issuer answers with wherever its operations are asked.
func (v visitor) metadata() string { return v.issuer + "/.well-known/openid-configuration" }

// alive asks for the metadata, and holds the clocks against each other on the
// way.
func (v visitor) alive(ctx context.Context) (found []valetkey.Finding, alive bool) {
	a, err := v.get(ctx, v.metadata())
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return []valetkey.Finding{bad("issuer", "use a certificate that browsers trust; a company's own authority goes into fetch-ca-file", "%s shows a certificate that isn't trusted here: %v", v.issuer, untrusted.Err)}, false
	case err != nil:
		return []valetkey.Finding{warning("issuer", "start the server; if it runs, check DNS, proxy and firewall from this machine", "%s can't be reached from here: %v", v.issuer, unwrapped(err))}, false
	}
	if date, err := http.ParseTime(a.date); err == nil {
		// It is cut to whole seconds: half of one is the likeliest rest.
		found = append(found, valetkey.JudgeClock("the issuer's", time.Until(date.Add(time.Second/2))))
	}
	if a.leaf != nil {
		found = append(found, judgeCertificate(v.issuer, a.leaf, v.issuer))
	}
	if a.status != http.StatusOK || !json.Valid(a.content) {
		return append(found, bad("issuer", "check which server the proxy passes requests on to", "%s answers %s, and not as this program does", v.metadata(), a.words)), false
	}
	return found, true
}

// unwrapped leaves the method and the address out, which stand beside it.
func unwrapped(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// itself says whether it is this server: it calls itself so, and its keys are in
// this database.
func (v visitor) itself(ctx context.Context, kids []string) valetkey.Finding {
	var self struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := v.document(ctx, v.metadata(), &self); err != nil {
		return bad("issuer", "read the server's log, and check what the proxy passes on", "its metadata can't be had: %v", err)
	}
	if self.Issuer != v.issuer {
		return bad("issuer", "give both the same `issuer`", "the server there calls itself %q and not %q", self.Issuer, v.issuer)
	}
	var set struct {
		Keys []struct {
			KID string `json:"kid"`
		} `json:"keys"`
	}
	if err := v.document(ctx, self.JWKS, &set); err != nil {
		return bad("issuer", "read the server's log, and check what the proxy passes on", "its keys can't be had: %v", err)
	}
	for _, key := range set.Keys { // one is enough: another may have been made a moment ago
		if slices.Contains(kids, key.KID) {
			return fine("issuer", "%s answers, and has this database's signing keys", v.issuer)
		}
	}
	return bad("issuer", "give both the same `database`", "the server there has none of this database's signing keys: it runs on another database")
}

func (v visitor) document(ctx context.Context, address string, into any) error {
	a, err := v.get(ctx, address)
	if err != nil {
		return unwrapped(err)
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, a.words)
	}
	return json.Unmarshal(a.content, into)
}
