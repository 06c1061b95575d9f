// Package harness runs a whole server for tests, with a clock that moves, and a
// browser that walks its pages.
package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey"
)

// Server is a whole server on a free port of this machine.
type Server struct {
	*valetkey.Server

	URL   string // also its issuer
	Clock *Clock
	http  *http.Server
}

// Start runs a server until the test ends. Issuer, Now and Log are filled in.
func Start(t testing.TB, c valetkey.Config) *Server {
	t.Helper()
	s, err := Launch(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Launch runs a server; the caller stops it.
func Launch(c valetkey.Config) (*Server, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + listener.Addr().String(), Clock: &Clock{}}
	c.Issuer = s.URL
	if c.Now == nil {
		c.Now = s.Clock.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if s.Server, err = valetkey.New(context.Background(), c); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.http = &http.Server{Handler: s.Server, ReadHeaderTimeout: ioTimeout, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

// Stop ends the server.
func (s *Server) Stop() error {
	return errors.Join(s.http.Close(), s.Close())
}

// Browser makes a new browser for this server.
func (s *Server) Browser(t testing.TB) *Browser {
	t.Helper()
	return NewBrowser(t, s.URL)
}

// Answer is a JSON answer of an endpoint.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any
}

// String names a member's value, "" when there is none.
func (a *Answer) String(member string) string {
	switch v := a.JSON[member].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		content, _ := json.Marshal(v)
		return string(content)
	}
}

// Call posts a form to an endpoint. basic is "id:secret" for the Authorization
// header, "" for none.
func (s *Server) Call(path, basic string, form url.Values) (*Answer, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id, password, ok := strings.Cut(basic, ":"); ok {
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(password))
	}
	return Do(req)
}

// Do sends a request and reads its answer whole.
func Do(req *http.Request) (*Answer, error) { return DoBy(noRedirects, req) }

// DoBy is Do by a client of the caller's.
func DoBy(client *http.Client, req *http.Request) (*Answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(content)}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(content, &a.JSON); err != nil {
			return nil, fmt.Errorf("answer is no JSON object: %w: %s", err, content)
		}
	}
	return a, nil
}

var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// SignIn walks a browser from an address of ours through sign-in and consent
// until the server sends it elsewhere, or shows a page that is neither.
func (b *Browser) SignIn(address, username, password string) (*Page, error) {
	page, err := b.Get(address)
	tried := false // a password once refused isn't tried again
	for range maxHops {
		if err != nil || page.Location != nil {
			return page, err
		}
		switch {
		case page.ByID("login-form") != nil && !tried:
			tried = true
			page, err = b.Submit(page, "login-form", "login-submit", url.Values{"username": {username}, "password": {password}})
		case page.ByID("consent-form") != nil:
			page, err = b.Submit(page, "consent-form", "consent-allow", nil)
		default:
			return page, nil
		}
	}
	return page, err
}
