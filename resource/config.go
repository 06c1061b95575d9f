package resource

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// Config says whose tokens are accepted, and for what.
type Config struct {
	// Issuer is the authorization server, exactly as in its metadata: https,
	// or http on a loopback host.
	Issuer string
	// Audience is this API's name, its URL as a rule: what clients ask for by
	// the resource parameter (RFC 8707) and tokens carry in aud.
	Audience string

	// ClientID and ClientSecret let opaque tokens be introspected (RFC 7662).
	// Without them only JWTs are accepted.
	ClientID     string
	ClientSecret string
	// IntrospectionCache is how long an answer is good, and so how long a
	// revoked opaque token goes on working. Default 5 s; negative: not at all.
	IntrospectionCache time.Duration

	// Algs are the accepted signature algorithms: any of ES256, RS256, PS256
	// and EdDSA, which is the default.
	Algs []string
	// Leeway is how far the two clocks may be apart when exp, nbf and iat are
	// judged. Default 5 s; negative: none.
	Leeway time.Duration

	// BaseURL is what stands before the path of a request when a client writes
	// its URL: "https://api.example.com". A DPoP proof names that URL (RFC 9449
	// §4.3), and behind a proxy only you know it. Without it the scheme is the
	// connection's, and the host what the request says: then let your server
	// answer for its own names only, or a proof made for another will do.
	BaseURL string
	// Replay remembers DPoP proofs on all nodes of the API. Default: memory of
	// this process, of 100,000 proofs.
	Replay Replay
	// DPoPNonces has clients put a nonce of ours into their proofs, so that none
	// is made in advance (RFC 9449 §9). DPoPNonceKey is 32 random bytes, the same
	// on all nodes of the API; drawn at the start when nil.
	DPoPNonces   bool
	DPoPNonceKey []byte
	// Certificate finds the client's certificate of a request (RFC 8705 §3).
	// Default: the connection's own. Behind a proxy that ends TLS it reads the
	// header that the proxy sets, and that nobody else may set.
	Certificate func(*http.Request) *x509.Certificate

	// Revocations follows the server's revocation feed, so that a revoked JWT is
	// refused within a second or two and not when it expires. It needs ClientID
	// and ClientSecret, of a client with the scope revocations:read, and a
	// HTTPClient that lets an answer take 25 s. Close ends it.
	Revocations bool
	// OnStale says what happens to JWTs when the feed has been silent for 30 s.
	OnStale Stale
	// MaxTokenLife is the longest life of an access token, and so how long a
	// revocation is remembered. Default 1 h.
	MaxTokenLife time.Duration

	// ResourceMetadata is the URL where Metadata is served. Set, every refusal
	// names it, and a client can find its way from there (RFC 9728 §5.1).
	ResourceMetadata string
	// Scopes are listed in the metadata.
	Scopes []string

	// HTTPClient speaks to the authorization server. Default: 5 s, no
	// redirects. Answers of more than 64 KiB are refused in any case.
	HTTPClient *http.Client
	Log        *slog.Logger     // default slog.Default()
	Now        func() time.Time // default time.Now
}

func (c Config) withDefaults() Config {
	if c.IntrospectionCache == 0 {
		c.IntrospectionCache = 5 * time.Second
	}
	if c.Leeway == 0 {
		c.Leeway = 5 * time.Second
	}
	c.Leeway = max(c.Leeway, 0)
	if c.Algs == nil {
		c.Algs = []string{"ES256", "RS256", "PS256", "EdDSA"}
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{
			Timeout:       fetchTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if c.Certificate == nil {
		c.Certificate = peerCertificate
	}
	if c.MaxTokenLife <= 0 {
		c.MaxTokenLife = time.Hour
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // an API has no other wiring than this
	}
	return c
}

func (c Config) validate() (algs []jose.Alg, err error) {
	switch issuer, err := secureURL(c.Issuer); {
	case err != nil:
		return nil, fmt.Errorf("resource: Issuer: %w", err)
	case issuer.RawQuery != "" || issuer.ForceQuery: // RFC 8414 §2
		return nil, errors.New("resource: Issuer must have no query")
	case c.Audience == "":
		return nil, errors.New("resource: Audience must be set: without it, tokens for any other API would do")
	case (c.ClientID == "") != (c.ClientSecret == ""):
		return nil, errors.New("resource: ClientID and ClientSecret go together")
	case c.Revocations && c.ClientID == "":
		return nil, errors.New("resource: Revocations needs ClientID and ClientSecret")
	case c.DPoPNonceKey != nil && len(c.DPoPNonceKey) != 32:
		return nil, errors.New("resource: DPoPNonceKey must be 32 bytes")
	}
	if _, err := secureURL(c.BaseURL); c.BaseURL != "" && (err != nil || strings.ContainsAny(c.BaseURL, "?#")) {
		return nil, fmt.Errorf("resource: BaseURL: %q is not an https URL without query", c.BaseURL)
	}
	for _, name := range c.Algs {
		alg := jose.Alg(name)
		if !alg.Valid() {
			return nil, fmt.Errorf("resource: Algs: %q is none of ES256, RS256, PS256 and EdDSA", name)
		}
		algs = append(algs, alg)
	}
	return algs, nil
}

// Stale says what becomes of requests when the revocation feed is silent.
type Stale int

// StaleAccept goes on with the revocations that are known; StaleRefuse answers
// 503, since an unknown one might be among them.
const (
	StaleAccept Stale = iota
	StaleRefuse
)

// secureURL takes https everywhere and http where nobody can listen.
func secureURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not an absolute URL", s)
	}
	host := u.Hostname()
	loopback := host == "localhost" || host == "127.0.0.1" || host == "::1"
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return nil, fmt.Errorf("%q is neither https nor on a loopback host", s)
	}
	return u, nil
}
