package imports

import (
	"strings"
	"time"
)

// readAuth0 reads a user of a bulk export, of the bulk import's schema, or of
// the file of password hashes that Auth0's support makes: Auth0's "User Profile
// Structure" and "Bulk User Import Database Schema".
func readAuth0(r *row, o Options) User {
	u := User{
		Username: r.text("username"), Email: r.text("email"), EmailVerified: r.yes("email_verified"), Name: r.text("name"),
		Disabled: r.yes("blocked"), CreatedAt: auth0Created(r),
	}
	if u.Name == u.Email || u.Name == u.Username { // as Auth0 writes who gave none
		u.Name = ""
	}
	for _, name := range []string{"given_name", "family_name", "nickname", "picture", "phone_number"} {
		u.claim(name, r.text(name))
	}
	if r.yes("phone_verified") && r.text("phone_number") != "" {
		u.Claims = withClaim(u.Claims, "phone_number_verified", true)
	}
	if u.Email == "" {
		auth0Identifiers(r, &u)
	}
	u.keep(r, o, "user_id")
	u.Hash = auth0Hash(r)
	auth0TOTP(r, &u)
	auth0Identities(r, o, &u)
	for name, words := range map[string]string{
		"app_metadata": "app_metadata", "user_metadata": "user_metadata", "multifactor": "second factor",
		"guardian_authenticators": "second factor", "guardian_enrollments": "second factor",
	} {
		if r.filled(name) {
			u.left(words)
		}
	}
	return finish(r, u, "passwordHash")
}

// auth0Created: the profile has a time, the file of hashes MongoDB's {"$date": …}.
func auth0Created(r *row) time.Time {
	if strings.HasPrefix(string(r.members["created_at"]), "{") {
		if c := r.child("created_at"); c != nil {
			return c.moment("$date")
		}
	}
	return r.moment("created_at")
}

// auth0Identifiers has what some rows of the file of hashes have in place of
// email.
func auth0Identifiers(r *row, u *User) {
	for _, c := range r.children("identifiers") {
		switch value := c.text("value"); c.text("type") {
		case "email":
			u.Email, u.EmailVerified = value, c.yes("verified")
		case "username":
			u.Username = value
		}
	}
}

// auth0Identities: the provider "auth0" is Auth0's own database. Who has neither
// username nor address is known by the id that Auth0 gave them.
func auth0Identities(r *row, o Options, u *User) {
	for _, c := range r.children("identities") {
		if provider := c.text("provider"); provider != "auth0" {
			u.identity(o, u.Email, c.id("user_id"), provider, c.text("connection"))
		}
	}
	if u.Username == "" && u.Email == "" && len(u.Identities) > 0 {
		u.Username = strings.ReplaceAll(r.text("user_id"), "|", "-")
	}
}
