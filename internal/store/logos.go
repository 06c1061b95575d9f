package store

import "context"

// SaveLogo keeps a client's logo, a PNG that was made here. The client points
// to it through LogoID; one that no client points to is swept after a day.
func (s *Store) SaveLogo(ctx context.Context, id, clientID string, png []byte) error {
	now := unix(s.now())
	return s.statement(ctx, func(c conn) error {
		var saved string
		return conflictIfNone(c.row(`INSERT INTO logos (id, client_id, png, created_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO NOTHING RETURNING id`, id, clientID, png, now).Scan(&saved))
	})
}

// Logo returns a PNG.
func (s *Store) Logo(ctx context.Context, id string) ([]byte, error) {
	var png []byte
	err := s.read(ctx).row("SELECT png FROM logos WHERE id = $1", id).Scan(&png)
	return png, s.mapped(ctx, err)
}
