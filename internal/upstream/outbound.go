package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	wholeTime   = 10 * time.Second // of everything that one sign-in waits for
	maxBody     = 1 << 20
	maxHeaders  = 64 << 10
	maxInFlight = 64 // a connector's; who comes later waits, for wholeTime at most
)

// outbound is a connector's own HTTP client. No other connector notices when
// its provider is slow.
type outbound struct {
	http    http.Client
	timeout time.Duration
}

func newOutbound(g guard, env Environment) *outbound {
	dialer := &net.Dialer{Control: g.control}
	return &outbound{timeout: env.whole, http: http.Client{
		// A redirect is an answer like any other, and not 200: nothing that we
		// send is repeated to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &transport{
			guard: g, agent: env.UserAgent, span: env.Span, slots: make(chan struct{}, maxInFlight),
			next: &http.Transport{
				Proxy:                  nil, // not even from the environment: a proxy would dial unchecked
				DialContext:            dialer.DialContext,
				TLSClientConfig:        &tls.Config{RootCAs: env.Roots, MinVersion: tls.VersionTLS12},
				DisableCompression:     true,
				MaxResponseHeaderBytes: maxHeaders,
				MaxIdleConnsPerHost:    8,
				IdleConnTimeout:        30 * time.Second,
			},
		},
	}}
}

// transport stands below everything that speaks for us, the libraries included.
type transport struct {
	guard guard
	agent string
	slots chan struct{}
	next  *http.Transport
	span  func(ctx context.Context, name string, attributes ...string) (end func(error))
}

func (t *transport) RoundTrip(req *http.Request) (_ *http.Response, err error) {
	if t.span != nil {
		end := t.span(req.Context(), "upstream", "server.address", req.URL.Hostname(), "http.request.method", req.Method)
		defer func() { end(err) }()
	}
	if err := t.guard.url(req.URL); err != nil {
		return nil, err
	}
	select {
	case t.slots <- struct{}{}:
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", t.agent)
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		<-t.slots
		return nil, err
	}
	resp.Body = &limited{ReadCloser: resp.Body, left: maxBody, free: func() { <-t.slots }}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		_ = resp.Body.Close() // not asked for, and may be a bomb
		return nil, refused("the answer is compressed")
	}
	return resp, nil
}

// limited is a body that ends in an error when it is longer than it may be.
type limited struct {
	io.ReadCloser
	left int
	free func()
	once sync.Once
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p[:min(len(p), l.left+1)])
	if n > l.left {
		return 0, refused("the answer has more than %d bytes", maxBody)
	}
	l.left -= n
	return n, err
}

func (l *limited) Close() error {
	defer l.once.Do(l.free)
	return l.ReadCloser.Close()
}

// answer is one that has status 200.
type answer struct {
	body   []byte
	header http.Header
}

// get asks with a bearer token, if there is one. Errors show the address
// without its query.
func (o *outbound) get(ctx context.Context, address, bearer string) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return a, refused("not a URL")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := o.http.Do(req)
	if err != nil {
		return a, atAddress(req.URL, cause(err))
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return a, atAddress(req.URL, &statusError{resp.StatusCode})
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, atAddress(req.URL, cause(err))
	}
	return answer{body, resp.Header}, nil
}

// statusError is an answer other than 200.
type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the answer has status %d", e.status)
}

func atAddress(u *url.URL, err error) error {
	return &addressError{u.Scheme + "://" + u.Host + u.EscapedPath(), err}
}

// addressError says where. A query isn't shown: a token may be in it.
type addressError struct {
	address string
	error
}

func (e *addressError) Error() string { return said(e.address) + ": " + e.error.Error() }
func (e *addressError) Unwrap() error { return e.error }

// errNoHTTP stands for net/http's errors about what a server sent: they quote
// it, and it may be anything.
var errNoHTTP = errors.New("the answer is cut off, or not HTTP")

// cause is what the log hears of net/http's errors.
func cause(err error) error {
	if outer := (*url.Error)(nil); errors.As(err, &outer) { // repeats the address, query and all
		err = outer.Err
	}
	var (
		ours        refusal
		network     net.Error
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
	)
	switch {
	case errors.As(err, &ours), errors.As(err, &network), errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert),
		errors.Is(err, context.Canceled):
		return err
	}
	return errNoHTTP
}

// untilDone gives one sign-in its time. What a provider is asked later in it
// has what is left.
func (o *outbound) untilDone(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, o.timeout)
}
