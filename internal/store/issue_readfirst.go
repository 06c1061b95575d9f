//go:build readfirst

package store

import (
	"strings"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// issue as it must not be: it reads, and then writes what it trusts. Tests build
// it to see that they would notice.
func issue(c conn, id string, values []any) error {
	var found string
	err := c.row("SELECT id FROM authorizations WHERE id = $1", id).Scan(&found)
	switch {
	case err == nil:
		return oauth.ErrReplayed
	case !isNotFound(err):
		return err
	}
	time.Sleep(time.Millisecond)
	text := strings.Replace(issueSQL, "ON CONFLICT (id) DO NOTHING", "ON CONFLICT (id) DO UPDATE SET generation = excluded.generation", 1)
	return c.row(text, values...).Scan(&found)
}
