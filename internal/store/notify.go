package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// The poll alone tells a node of a change within its interval. PostgreSQL's
// NOTIFY does so at once; where it is missing (a distributed engine, a pooler
// between) nothing but those milliseconds is lost.
const notifyChannel = "valetkey"

// announce wakes the other nodes. It comes after the commit and not in it: an
// engine that doesn't know pg_notify would refuse the whole transaction.
func (s *Store) announce(ctx context.Context) {
	if s.pgx == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = s.pgx.Exec(ctx, "SELECT pg_notify($1, '')", notifyChannel)
}

// listen polls whenever another node announces something, over a connection of
// its own, until ctx is done.
func (s *Store) listen(ctx context.Context) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		began := time.Now() //nolint:forbidigo // how long the connection held
		err := s.hear(ctx)
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		if ctx.Err() == nil {
			s.log.Debug("not told of other nodes' changes, the poll goes on", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (s *Store) hear(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, laneTimeout)
	defer cancel()
	c, err := pgx.ConnectConfig(connecting, s.pgx.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	if _, err := c.Exec(connecting, "LISTEN "+notifyChannel); err != nil {
		return err
	}
	for {
		if _, err := c.WaitForNotification(ctx); err != nil {
			return err
		}
		s.complain(ctx, "looking for changes in the database", s.pollOnce(ctx))
	}
}
