package store

import (
	"context"
	"fmt"
	"time"
)

// rule counts rows that nothing in this program leaves.
type rule struct {
	level Level
	what  string // are there that many of
	query string
	args  []any
}

// relation is a column that names a row of another table; "" names none.
type relation struct {
	table, column, parent, key string
	level                      Level
}

// relations are those whose rows go together. An authorization outlives its user
// and its client, dead, since its code must be known for as long as it might come
// again; so may what is swept by time alone: logouts, pushed requests, devices.
var relations = []relation{
	{"sessions", "subject", "users", "subject", Failure},
	{"consents", "subject", "users", "subject", Failure},
	{"consents", "client_id", "clients", "id", Failure},
	{"passkeys", "subject", "users", "subject", Failure},
	{"totps", "subject", "users", "subject", Failure},
	{"recovery_codes", "subject", "users", "subject", Failure},
	{"identities", "subject", "users", "subject", Failure},
	{"browsers", "subject", "users", "subject", Warning},
	{"activities", "subject", "users", "subject", Warning},
	{"pictures", "subject", "users", "subject", Warning},
	{"users", "picture_id", "pictures", "id", Warning},
	{"clients", "logo_id", "logos", "id", Warning},
	{"resources", "client_id", "clients", "id", Warning},
}

func (r relation) rule() rule {
	return rule{
		r.level, fmt.Sprintf("rows of %s whose %s is gone from %s", r.table, r.column, r.parent),
		fmt.Sprintf("SELECT COUNT(*) FROM %[1]s WHERE %[2]s <> '' AND NOT EXISTS (SELECT 1 FROM %[3]s WHERE %[3]s.%[4]s = %[1]s.%[2]s)",
			r.table, r.column, r.parent, r.key), nil,
	}
}

// rules that are no relation. Epochs only rise, so nothing can have been made
// under a later one than its user, client or consent has: it would come to life
// when that number is reached.
func rules(now time.Time) []rule {
	later := func(table, epoch, parent, on string) rule {
		return rule{
			Failure, fmt.Sprintf("rows of %s under a later epoch than their row of %s has", table, parent),
			"SELECT COUNT(*) FROM " + table + " JOIN " + parent + " ON " + on + " WHERE " + table + "." + epoch + " > " + parent + ".epoch", nil,
		}
	}
	return []rule{
		later("sessions", "user_epoch", "users", "users.subject = sessions.subject"),
		later("authorizations", "user_epoch", "users", "users.subject = authorizations.subject"),
		later("authorizations", "client_epoch", "clients", "clients.id = authorizations.client_id"),
		later("authorizations", "consent_epoch", "consents", "consents.subject = authorizations.subject AND consents.client_id = authorizations.client_id"),
		{Warning, "authorizations of clients that are gone without having been deleted", `SELECT COUNT(*) FROM authorizations
			WHERE NOT EXISTS (SELECT 1 FROM clients WHERE clients.id = authorizations.client_id)
			AND NOT EXISTS (SELECT 1 FROM deleted_clients WHERE deleted_clients.id = authorizations.client_id)`, nil},
		{Failure, "clients under an id that was deleted", "SELECT COUNT(*) FROM clients JOIN deleted_clients ON deleted_clients.id = clients.id", nil},
		{Failure, "missing settings without which caches stay old", "SELECT 1 - COUNT(*) FROM settings WHERE name = '" + settingVersion + "'", nil},
		// A logo comes before its client, and is swept a day later when that was refused.
		{Warning, "logos of clients that are gone", `SELECT COUNT(*) FROM logos WHERE created_at < $1
			AND NOT EXISTS (SELECT 1 FROM clients WHERE clients.id = logos.client_id)`, []any{unix(now.Add(-2 * keepUnusedLogo))}},
	}
}

const doInconsistent = "no command leaves this: restore the newest backup that has it right, and report it with `valetkey version`"

// consistency looks whether what belongs together is there.
func (x *examiner) consistency(ctx context.Context) {
	todo := rules(x.c.Now())
	for _, r := range relations {
		todo = append(todo, r.rule())
	}
	wrong := false
	for _, r := range todo {
		var n int64
		if err := x.e.tx.QueryRowContext(ctx, r.query, r.args...).Scan(&n); err != nil {
			x.unread("consistency", err)
			return // a transaction of PostgreSQL answers nothing more
		}
		if n > 0 {
			wrong = true
			x.say(r.level, "consistency", doInconsistent, "%d %s", n, r.what)
		}
	}
	if !wrong {
		x.say(Fine, "consistency", "", "%d rules hold", len(todo))
	}
	var admins int64
	if err := x.e.tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM users WHERE admin AND NOT disabled").Scan(&admins); err != nil {
		x.unread("administrators", err)
	} else if admins == 0 {
		x.say(Warning, "administrators", "open the link that `valetkey serve` prints, or: valetkey user create --admin", "there is none")
	}
}
