package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Site is somebody else's web server on this machine: it publishes documents
// and remembers what it was asked.
type Site struct {
	URL string

	http     *http.Server
	mu       sync.Mutex
	pages    map[string]sitePage
	requests map[string][]SiteRequest
}

// SiteRequest is one request that a site got.
type SiteRequest struct {
	Method string
	Header http.Header
	Query  url.Values
	Form   url.Values // of the body
}

type sitePage struct {
	status int
	header http.Header
	body   string
}

// OpenSite begins a site on a free port: https with a certificate of
// TestAuthority, or http.
func OpenSite(secure bool) (*Site, error) {
	listener, err := listen()
	if err != nil {
		return nil, err
	}
	s := &Site{URL: "http://" + listener.Addr().String(), pages: map[string]sitePage{}, requests: map[string][]SiteRequest{}}
	s.http = quiet(s)
	if secure {
		s.URL = "https://" + listener.Addr().String()
		if listener, err = withTLS(listener, tls.NoClientCert); err != nil {
			return nil, err
		}
	}
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

// Close ends the site.
func (s *Site) Close() error { return s.http.Close() }

// Publish makes a path answer; what isn't published is 404.
func (s *Site) Publish(path string, status int, header http.Header, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = sitePage{status, header, body}
}

// Requests are those that came for a path so far.
func (s *Site) Requests(path string) []SiteRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]SiteRequest(nil), s.requests[path]...)
}

// Await waits until n requests came for a path.
func (s *Site) Await(path string, n int, patience time.Duration) ([]SiteRequest, error) {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got := s.Requests(path)
		if len(got) >= n {
			return got, nil
		}
		if time.Now().After(end) {
			return got, fmt.Errorf("%d requests for %s, want %d", len(got), path, n)
		}
	}
}

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	s.mu.Lock()
	s.requests[r.URL.Path] = append(s.requests[r.URL.Path], SiteRequest{Method: r.Method, Header: r.Header, Query: r.URL.Query(), Form: form})
	page, ok := s.pages[r.URL.Path]
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	for name, values := range page.header {
		w.Header()[name] = values
	}
	w.WriteHeader(page.status)
	_, _ = io.WriteString(w, page.body)
}

// Side is a server's second listener, which asks for client certificates:
// RFC 8705 §5.
type Side struct {
	URL string

	http    *http.Server
	mu      sync.Mutex
	handler http.Handler
}

// OpenSide begins a listener that answers once Serve was called.
func OpenSide() (*Side, error) {
	listener, err := listen()
	if err != nil {
		return nil, err
	}
	s := &Side{URL: "https://" + listener.Addr().String(), handler: http.NotFoundHandler()}
	s.http = quiet(s)
	if listener, err = withTLS(listener, tls.RequestClientCert); err != nil {
		return nil, err
	}
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

// Serve hands requests on to a server's MTLS handler.
func (s *Side) Serve(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
}

// Close ends the listener.
func (s *Side) Close() error { return s.http.Close() }

func (s *Side) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h := s.handler
	s.mu.Unlock()
	h.ServeHTTP(w, r)
}

// ClientTo is a client that trusts TestAuthority and shows a certificate; nil
// shows none.
func ClientTo(certificate *tls.Certificate) (*http.Client, error) {
	authority, err := TestAuthority()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: authority.Pool, MinVersion: tls.VersionTLS12}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config, DisableKeepAlives: true},
		CheckRedirect: noRedirects.CheckRedirect, Timeout: ioTimeout,
	}, nil
}

func listen() (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
}

func quiet(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: ioTimeout, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
}

func withTLS(l net.Listener, ask tls.ClientAuthType) (net.Listener, error) {
	authority, err := TestAuthority()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	certificate, err := authority.Server()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12, ClientAuth: ask}), nil
}
