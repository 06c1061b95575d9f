//go:build !readfirst

package store

import "github.com/valetkey/valetkey/oauth"

// issue decides by what one conditional statement returns; that the id is taken
// is only looked up to say why it returned nothing.
func issue(c conn, id string, values []any) error {
	var found string
	err := c.row(issueSQL, values...).Scan(&found)
	if !isNotFound(err) {
		return err
	}
	err = c.row("SELECT id FROM authorizations WHERE id = $1", id).Scan(&found)
	switch {
	case err == nil:
		return oauth.ErrReplayed
	case isNotFound(err):
		return oauth.ErrEnded
	}
	return err
}
