// Package fetch reads what others publish, and posts to them: one guarded HTTP
// client for every address that a client registered (RFC 7591 §5, RFC 9101 §10.4).
//
// What stands between such an address and the network behind us: https only,
// an address checked when it is dialled and after DNS, no redirects, no proxy,
// no cookies, 5 seconds, a limit on size, and few requests at once. The package
// knows nothing of what it fetches and caches nothing.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

const (
	wholeTime  = 5 * time.Second
	maxHeaders = 16 << 10
)

// ErrFailed is behind every error here. Its text is all that a stranger may
// hear; the cause behind it is for the log. No error has anything of the body.
var ErrFailed = errors.New("could not be fetched")

// Config is the zero value in production.
type Config struct {
	// AllowLoopback lets 127.0.0.0/8 and ::1 be reached, by http as well and on
	// any port: for tests and a demo. Other private addresses stay out of reach.
	AllowLoopback bool
	// Roots are the trusted authorities; nil: the system's.
	Roots *x509.CertPool
	// UserAgent is "valetkey" when empty.
	UserAgent string
	// Span begins a part of a request's trace; nil: nothing is traced.
	Span func(ctx context.Context, name string, attributes ...string) (end func(error))
}

// Client is an oauth.Outbound. Any number of goroutines may use it.
type Client struct {
	c       Config
	http    http.Client
	dialer  net.Dialer
	timeout time.Duration
	slots   slots
}

var _ oauth.Outbound = (*Client)(nil)

// New makes a client.
func New(c Config) *Client {
	if c.UserAgent == "" {
		c.UserAgent = "valetkey"
	}
	f := &Client{c: c, timeout: wholeTime, slots: slots{hosts: map[string]int{}}}
	f.dialer.Control = f.control
	f.http = http.Client{
		// A redirect is an answer like any other, and not 200.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil, // not even from the environment: a proxy would dial unchecked
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return f.dialer.DialContext(ctx, network, address)
			},
			TLSClientConfig:        &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
			DisableCompression:     true,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxHeaders,
		},
	}
	return f
}

// Get fetches a document of at most limit bytes. The answer must be 200 and
// have one of the media types, if any are given. It asks anew every time:
// MaxAge is what Cache-Control says.
func (f *Client) Get(ctx context.Context, address string, limit int64, types ...string) (doc oauth.Document, err error) {
	accept := strings.Join(types, ", ")
	if accept == "" {
		accept = "*/*"
	}
	err = f.do(ctx, http.MethodGet, address, nil, http.Header{"Accept": {accept}}, func(resp *http.Response) error {
		if resp.StatusCode != http.StatusOK {
			return refused("the answer has status %d", resp.StatusCode)
		}
		doc, err = read(resp, limit, types)
		return err
	})
	return doc, err
}

// Post sends a form. The answer must be 200 to 204; what it says isn't read.
func (f *Client) Post(ctx context.Context, address string, form map[string]string) error {
	values := url.Values{}
	for name, v := range form {
		values.Set(name, v)
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return f.do(ctx, http.MethodPost, address, strings.NewReader(values.Encode()), header, func(resp *http.Response) error {
		if resp.StatusCode < http.StatusOK || resp.StatusCode > http.StatusNoContent {
			return refused("the answer has status %d", resp.StatusCode)
		}
		return nil
	})
}

func (f *Client) do(ctx context.Context, method, address string, body io.Reader, header http.Header, use func(*http.Response) error) error {
	u, err := f.check(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	if err := f.exchange(ctx, method, u, body, header, use); err != nil {
		return fmt.Errorf("%w: %s://%s%s: %w", ErrFailed, u.Scheme, u.Host, u.EscapedPath(), cause(err))
	}
	return nil
}

func (f *Client) exchange(ctx context.Context, method string, u *url.URL, body io.Reader, header http.Header, use func(*http.Response) error) (err error) {
	host := strings.ToLower(u.Hostname())
	if f.c.Span != nil {
		end := f.c.Span(ctx, "fetch", "server.address", host, "http.request.method", method)
		defer func() { end(err) }()
	}
	if err := f.slots.take(ctx, host); err != nil {
		return err
	}
	defer f.slots.free(host)
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return err
	}
	req.Header = header
	req.Header.Set("User-Agent", f.c.UserAgent)
	resp, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return use(resp)
}

func read(resp *http.Response, limit int64, types []string) (doc oauth.Document, err error) {
	switch encoding := resp.Header.Get("Content-Encoding"); {
	case encoding != "" && !strings.EqualFold(encoding, "identity"): // not asked for, and may be a bomb
		return doc, refused("the answer is compressed")
	case !hasType(resp.Header.Get("Content-Type"), types):
		return doc, refused("the answer has content type %.60q, not %q", resp.Header.Get("Content-Type"), types)
	case resp.ContentLength > limit:
		return doc, refused("the answer has more than %d bytes", limit)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return doc, err
	case int64(len(body)) > limit:
		return doc, refused("the answer has more than %d bytes", limit)
	}
	return oauth.Document{Body: body, MaxAge: maxAge(resp.Header.Values("Cache-Control"))}, nil
}

// hasType compares media types without their parameters (RFC 9110 §8.3.1).
func hasType(header string, types []string) bool {
	is, _, err := mime.ParseMediaType(header)
	return len(types) == 0 || err == nil && slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(t, is) })
}
