package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// certificate is the pair of tls-cert and tls-key. When the files change, new
// connections get the new one; one that can't be used changes nothing.
type certificate struct {
	cert, key string
	log       *slog.Logger
	now       func() time.Time

	current  atomic.Pointer[tls.Certificate]
	failures atomic.Uint64
	tried    stamp // what was loaded last, or couldn't be
	seen     stamp // what was there at the last look
}

// lookEvery is how often the files are looked at.
const lookEvery = 2 * time.Second

// certificate loads the pair; nil without one.
func (s *Settings) certificate(log *slog.Logger) (*certificate, error) {
	if s.TLSCert == "" {
		return nil, nil //nolint:nilnil // there is no TLS
	}
	c := &certificate{cert: s.TLSCert, key: s.TLSKey, log: log, now: time.Now} //nolint:forbidigo // certificates go by the machine's clock
	c.tried = c.stamp()
	c.seen = c.tried
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: tls-cert: %w", s.Config.origin("tls-cert", "tls-key"), err)}
	}
	c.current.Store(&pair)
	if c.now().After(pair.Leaf.NotAfter) {
		log.Warn("the TLS certificate has expired", "file", c.cert, "not_after", pair.Leaf.NotAfter)
	}
	return c, nil
}

// get implements tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// NotAfter implements valetkey.Certificate.
func (c *certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// Failures implements valetkey.Certificate.
func (c *certificate) Failures() uint64 { return c.failures.Load() }

// stamp tells two states of the files apart. Links are followed: Kubernetes
// exchanges a folder by one.
type stamp [2]struct {
	size     int64
	modified time.Time
}

func (c *certificate) stamp() (s stamp) {
	for i, name := range []string{c.cert, c.key} {
		if info, err := os.Stat(name); err == nil {
			s[i].size, s[i].modified = info.Size(), info.ModTime()
		}
	}
	return s
}

// look loads files that have changed and lie still since the last look: of two
// that are written one after the other, the first doesn't fit the second.
func (c *certificate) look() {
	now := c.stamp()
	if still := now == c.seen; now != c.tried && still {
		c.reload()
	}
	c.seen = now
}

// reload keeps the pair that is in use when the new one is no better.
func (c *certificate) reload() {
	c.tried = c.stamp()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err == nil && c.now().After(pair.Leaf.NotAfter) {
		err = errors.New("it has expired")
	}
	if err != nil {
		c.failures.Add(1)
		c.log.Error("the new TLS certificate can't be used, the old one stays", "file", c.cert, "error", err)
		return
	}
	c.current.Store(&pair)
	c.log.Info("TLS certificate loaded", "file", c.cert, "not_after", pair.Leaf.NotAfter)
}

// watch looks every few seconds, and at once at a SIGHUP, until ctx is done.
// Without TLS the signal does nothing, and doesn't end the process.
func watch(ctx context.Context, c *certificate, every time.Duration) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if c != nil {
				c.reload()
			}
		case <-ticker.C:
			if c != nil {
				c.look()
			}
		}
	}
}
