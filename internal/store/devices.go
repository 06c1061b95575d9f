package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

const deviceColumns = `device_hash, user_hash, client_id, address, content, poll_every, polled_at, created_at,
	expires_at, decision, granted`

func scanDevice(r scanner) (d oauth.Device, err error) {
	err = r.Scan(&d.DeviceHash, &d.UserHash, &d.ClientID, &d.Address, &d.Content, &d.Interval, intoTime(&d.PolledAt),
		intoTime(&d.CreatedAt), intoTime(&d.ExpiresAt), &d.Decision, &d.Grant, &d.TooSoon)
	return d, err
}

// startDeviceSQL counts those that wait in the statement itself. On PostgreSQL
// devices that come at the same moment don't count each other; there are as
// many as connections at most.
const startDeviceSQL = `INSERT INTO devices (` + deviceColumns + `, too_soon)
	SELECT $1, $2, $3, $4, $5, $6, 0, $7, $8, '', NULL, FALSE
	WHERE (SELECT COUNT(*) FROM devices WHERE client_id = $3 AND decision = '' AND expires_at > $9) < $10
	AND (SELECT COUNT(*) FROM devices WHERE address = $4 AND decision = '' AND expires_at > $9) < $11
	ON CONFLICT (user_hash) DO NOTHING RETURNING client_id`

// StartDevice implements oauth.DeviceStore.
func (s *Store) StartDevice(ctx context.Context, d oauth.Device, perClient, perAddress int) error {
	now := s.now()
	return s.statement(ctx, func(c conn) error {
		var found string
		err := c.row(startDeviceSQL, d.DeviceHash, d.UserHash, d.ClientID, d.Address, d.Content, d.Interval,
			unix(orElse(d.CreatedAt, now)), unix(d.ExpiresAt), unix(now), perClient, perAddress).Scan(&found)
		if !isNotFound(err) {
			return err
		}
		err = c.row("SELECT client_id FROM devices WHERE user_hash = $1", d.UserHash).Scan(&found)
		switch {
		case err == nil:
			return oauth.ErrReplayed
		case isNotFound(err):
			return oauth.ErrConflict
		}
		return err
	})
}

// DeviceByUserCode implements oauth.DeviceStore.
func (s *Store) DeviceByUserCode(ctx context.Context, userHash []byte) (oauth.Device, error) {
	d, err := scanDevice(s.read(ctx).row("SELECT "+deviceColumns+`, FALSE FROM devices
		WHERE user_hash = $1 AND expires_at > $2`, userHash, unix(s.now())))
	return d, s.mapped(ctx, err)
}

// pollDeviceSQL: RFC 8628 §3.5. What is on the right of SET is the row as the
// poll before left it.
const pollDeviceSQL = `UPDATE devices SET polled_at = $1,
	too_soon = polled_at > 0 AND polled_at + poll_every > $1,
	poll_every = CASE WHEN polled_at > 0 AND polled_at + poll_every > $1 THEN poll_every + 5 ELSE poll_every END
	WHERE device_hash = $2 AND client_id = $3 RETURNING ` + deviceColumns + `, too_soon`

// PollDevice implements oauth.DeviceStore.
func (s *Store) PollDevice(ctx context.Context, deviceHash []byte, clientID string, at time.Time) (oauth.Device, error) {
	return write(ctx, s, single, func(c conn) (oauth.Device, error) {
		return scanDevice(c.row(pollDeviceSQL, unix(at), deviceHash, clientID))
	})
}

// DecideDevice implements oauth.DeviceStore.
func (s *Store) DecideDevice(ctx context.Context, userHash []byte, decision oauth.DeviceDecision, grant []byte, at time.Time) error {
	return s.statement(ctx, func(c conn) error {
		var found string
		err := c.row(`UPDATE devices SET decision = $1, granted = $2
			WHERE user_hash = $3 AND decision = '' AND expires_at > $4 RETURNING client_id`,
			string(decision), grant, userHash, unix(at)).Scan(&found)
		if !isNotFound(err) {
			return err
		}
		if err := c.row("SELECT client_id FROM devices WHERE user_hash = $1 AND expires_at > $2", userHash, unix(at)).
			Scan(&found); err != nil {
			return err
		}
		return oauth.ErrConflict
	})
}

// keepExpiredDevice lets a device that polls on learn that its code expired.
const keepExpiredDevice = 10 * time.Minute

func (s *Store) sweepDevices(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM devices WHERE device_hash IN (SELECT device_hash FROM devices
		WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`, unix(now.Add(-keepExpiredDevice)), sweepBatch)
}
