package store

import "context"

// SetPicture keeps a person's picture in place of an older one; no bytes take it
// away.
func (s *Store) SetPicture(ctx context.Context, subject, id string, png []byte) error {
	now := unix(s.now())
	return s.transaction(ctx, func(c conn) error {
		if _, err := c.exec("DELETE FROM pictures WHERE subject = $1", subject); err != nil {
			return err
		}
		if len(png) == 0 {
			id = ""
		} else if _, err := c.exec("INSERT INTO pictures (id, subject, png, created_at) VALUES ($1, $2, $3, $4)", id, subject, png, now); err != nil {
			return err
		}
		var found string
		return c.row("UPDATE users SET picture_id = $1, updated_at = $2 WHERE subject = $3 RETURNING subject", id, now, subject).Scan(&found)
	})
}

// Picture returns one by its id.
func (s *Store) Picture(ctx context.Context, id string) ([]byte, error) {
	var png []byte
	err := s.read(ctx).row("SELECT png FROM pictures WHERE id = $1", id).Scan(&png)
	return png, s.mapped(ctx, err)
}
