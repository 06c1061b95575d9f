package imports

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// own are the fields of our format; docs/guide/import.md says what each means.
var own = []string{
	"sub", "username", "email", "email_verified", "name", "claims", "password_hash", "groups", "admin", "disabled",
	"must_change", "created_at", "identities", "totp_secret",
}

// beside are claims that have a field of their own.
var beside = []string{"sub", "preferred_username", "email", "email_verified", "name"}

// readJSONLine reads our own format. A field that it doesn't know is refused: it
// may be one that somebody mistyped.
func readJSONLine(r *row, o Options) User {
	for _, name := range slices.Sorted(maps.Keys(r.members)) {
		switch {
		case name == "password":
			r.refuse("password", "passwords themselves are not taken; write a hash into password_hash")
		case !slices.Contains(own, name):
			r.refuse(fieldName(name), "there is no such field; there are "+strings.Join(own, ", "))
		}
	}
	u := User{
		Subject:  r.text("sub"),
		Username: r.text("username"), Email: r.text("email"), EmailVerified: r.yes("email_verified"), Name: r.text("name"),
		Hash: r.text("password_hash"), Groups: r.list("groups"), Admin: r.yes("admin"), Disabled: r.yes("disabled"),
		MustChange: r.yes("must_change"), CreatedAt: r.moment("created_at"),
	}
	r.decode("claims", &u.Claims, "an object of standard claims in which every name comes once")
	for _, name := range beside {
		if _, ok := u.Claims[name]; ok {
			r.refuse("claims."+name, "it stands beside claims, not in them")
		}
	}
	for _, c := range r.children("identities") {
		u.Identities = append(u.Identities, ownIdentity(c))
	}
	u.TOTPs = r.totp("totp_secret")
	u.keep(r, o, "sub")
	return finish(r, u, "password_hash")
}

var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,29}$`)

// fieldName shows a name that looks like one: keys and values may have been
// mixed up.
func fieldName(name string) string {
	if !plainName.MatchString(name) {
		return "a field"
	}
	return name
}

func ownIdentity(c *row) Identity {
	i := Identity{Issuer: c.text("issuer"), Subject: c.id("subject"), Connector: c.text("connector"), Label: c.text("label")}
	for name := range c.members {
		if !slices.Contains([]string{"issuer", "subject", "connector", "label"}, name) {
			c.refuse(fieldName(name), "there is no such field; there are issuer, subject, connector, label")
		}
	}
	for _, one := range []struct{ name, value string }{{"issuer", i.Issuer}, {"subject", i.Subject}, {"connector", i.Connector}} {
		if one.value == "" {
			c.refuse(one.name, "it is missing")
		}
	}
	return i
}
