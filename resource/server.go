package resource

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

const (
	fetchTimeout = 5 * time.Second
	maxAnswer    = 64 << 10
	metadataLife = time.Hour
)

// server is the authorization server as seen from here.
type server struct {
	issuer  string
	client  *http.Client
	patient *http.Client // the same for answers that take their time
	now     func() time.Time

	mu    sync.Mutex // held while fetching: one discovery at a time
	doc   *metadata
	until time.Time
}

// metadata is what we need of RFC 8414 §2.
type metadata struct {
	Issuer                string `json:"issuer"`
	JWKSURI               string `json:"jwks_uri"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
}

func newServer(c Config) *server {
	patient := *c.HTTPClient
	patient.Timeout = 0 // there is a context
	return &server{issuer: c.Issuer, client: c.HTTPClient, patient: &patient, now: c.Now}
}

// metadata is fetched once an hour. The last one stays good while there is
// no newer: endpoints rarely move.
func (s *server) metadata(ctx context.Context) (*metadata, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.doc != nil && s.now().Before(s.until) {
		return s.doc, nil
	}
	doc, err := s.discover(ctx)
	switch {
	case err == nil:
		s.doc, s.until = doc, s.now().Add(metadataLife)
	case s.doc != nil:
		s.until = s.now().Add(retryAfter * time.Second)
	default:
		return nil, err
	}
	return s.doc, nil
}

// discover: OIDC Discovery §4.1 for the place, RFC 8414 §3.3 for the issuer,
// which must be the very one we asked for: else another's keys would sign here.
func (s *server) discover(ctx context.Context) (*metadata, error) {
	data, _, err := s.fetch(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var doc metadata
	if err := jose.Decode(data, &doc); err != nil {
		return nil, fmt.Errorf("metadata of %s: %w", s.issuer, err)
	}
	if doc.Issuer != s.issuer {
		return nil, fmt.Errorf("metadata of %s is for issuer %q", s.issuer, doc.Issuer)
	}
	if _, err := secureURL(doc.JWKSURI); err != nil {
		return nil, fmt.Errorf("metadata of %s: jwks_uri: %w", s.issuer, err)
	}
	for name, endpoint := range map[string]string{"introspection": doc.IntrospectionEndpoint, "token": doc.TokenEndpoint} {
		if _, err := secureURL(endpoint); err != nil && endpoint != "" {
			return nil, fmt.Errorf("metadata of %s: %s_endpoint: %w", s.issuer, name, err)
		}
	}
	return &doc, nil
}

// keys fetches the key set and tells how long it is good.
func (s *server) keys(ctx context.Context) ([]jose.PublicKey, time.Duration, error) {
	doc, err := s.metadata(ctx)
	if err != nil {
		return nil, 0, err
	}
	data, header, err := s.fetch(ctx, doc.JWKSURI)
	if err != nil {
		return nil, 0, err
	}
	keys, err := jose.ParseJWKS(data)
	if err != nil {
		return nil, 0, fmt.Errorf("key set of %s: %w", s.issuer, err)
	}
	return keys, keyLife(header.Get("Cache-Control")), nil
}

// Bounds for what the server says: a key set is neither fetched all the time
// nor believed for a week.
const (
	minKeyLife     = time.Minute
	maxKeyLife     = time.Hour
	defaultKeyLife = 10 * time.Minute
)

// keyLife: RFC 9111 §5.2.2.1.
func keyLife(cacheControl string) time.Duration {
	life := defaultKeyLife
	for directive := range strings.SplitSeq(strings.ToLower(cacheControl), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return minKeyLife
		case "max-age":
			if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				life = time.Duration(n) * time.Second
			}
		}
	}
	return min(max(life, minKeyLife), maxKeyLife)
}

func (s *server) fetch(ctx context.Context, address string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	return s.do(s.client, req, maxAnswer)
}

// post sends a form with HTTP Basic, each half form-encoded (RFC 6749 §2.3.1).
func (s *server) post(ctx context.Context, address, id, secret string, form url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	data, _, err := s.do(s.client, req, maxAnswer)
	return data, err
}

// statusError is an answer other than 200.
type statusError struct {
	method, address string
	status          int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s %s: status %d", e.method, e.address, e.status)
}

func (s *server) do(client *http.Client, req *http.Request, limit int) ([]byte, http.Header, error) {
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	case resp.StatusCode != http.StatusOK:
		return nil, nil, &statusError{req.Method, req.URL.String(), resp.StatusCode}
	case len(data) > limit:
		return nil, nil, fmt.Errorf("%s: more than %d bytes", req.URL, limit)
	}
	return data, resp.Header, nil
}
