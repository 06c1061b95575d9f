package harness

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/valetkey/valetkey"
)

// StartLocal is Start for a server whose issuer is http://localhost:PORT:
// passkeys belong to a name, and a number is none. It listens at an address of
// 127.0.0.1; port 0 is any.
func StartLocal(t testing.TB, address string, c valetkey.Config) *Server {
	t.Helper()
	s, err := launchLocal(address, c)
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

func launchLocal(address string, c valetkey.Config) (*Server, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s := &Server{URL: "http://localhost:" + port, Clock: &Clock{}}
	c.Issuer, c.Now = s.URL, s.Clock.Now
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if s.Server, err = valetkey.New(context.Background(), c); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.http = quiet(s.Server)
	server := s.http
	go func() { _ = server.Serve(listener) }()
	return s, nil
}

// Address is where the server listens: by number, and another host to browsers
// than the name is.
func (s *Server) Address() string {
	return strings.Replace(strings.TrimPrefix(s.URL, "http://"), "localhost", "127.0.0.1", 1)
}
