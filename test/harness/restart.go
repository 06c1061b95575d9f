package harness

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"

	"github.com/valetkey/valetkey"
)

// Restart ends the server and begins it anew at the same address, with the same
// clock: what it had in memory is gone.
func (s *Server) Restart(c valetkey.Config) error {
	if err := s.Stop(); err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		return err
	}
	c.Issuer, c.Now = s.URL, s.Clock.Now
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if s.Server, err = valetkey.New(context.Background(), c); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.http = quiet(s.Server)
	server := s.http
	go func() { _ = server.Serve(listener) }()
	return nil
}
