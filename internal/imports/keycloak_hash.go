package imports

import (
	"encoding/base64"
	"fmt"
	"strconv"
)

// keycloakCredential reads a CredentialRepresentation. What it is about stands
// in two strings that are JSON themselves: credentialData and secretData.
func keycloakCredential(c *row, u *User) {
	switch kind := c.text("type"); {
	case kind == "otp" && c.has("credentialData"):
		keycloakTOTP(c, u)
	case kind != "password":
		u.left("second factor (" + kind + ")")
	case u.Hash != "":
		c.refuse("type", "there is a second password")
	case !c.has("credentialData"):
		c.refuse("credentialData", "it is missing; export from Keycloak 8 or later")
	default:
		data, value := c.inner("credentialData"), c.inner("secretData")
		if data != nil && value != nil {
			u.Hash = keycloakHash(data, value)
		}
	}
}

// inner is an object inside a string.
func (r *row) inner(name string) *row {
	inside := newRow([]byte(r.text(name)))
	if inside.bad != nil {
		r.refuse(name, "it must be a JSON object in a string")
		return nil
	}
	return &row{members: inside.members, path: name + ".", up: r}
}

// keycloakHash rewrites a hash: org.keycloak.credential.hash's
// Pbkdf2PasswordHashProvider (whose padding of short passwords by NUL changes
// nothing, since HMAC pads its keys so) and org.keycloak.crypto.hash's
// Argon2PasswordHashProvider.
func keycloakHash(data, value *row) string {
	tag, salt := value.bytes("value"), value.bytes("salt")
	iterations := data.id("hashIterations")
	if n, err := strconv.Atoi(iterations); err != nil || n < 1 {
		data.refuse("hashIterations", "it must be a number")
		return ""
	}
	b64 := base64.RawStdEncoding
	switch algorithm := data.text("algorithm"); algorithm {
	case "pbkdf2", "pbkdf2-sha256", "pbkdf2-sha512":
		if algorithm == "pbkdf2" {
			algorithm = "pbkdf2-sha1"
		}
		return fmt.Sprintf("$%s$i=%s,l=%d$%s$%s", algorithm, iterations, len(tag), b64.EncodeToString(salt), b64.EncodeToString(tag))
	case "argon2":
		kind, cost := keycloakArgon(data, iterations)
		return fmt.Sprintf("$argon2%s$%s$%s$%s", kind, cost, b64.EncodeToString(salt), b64.EncodeToString(tag))
	default:
		data.refuse("algorithm", "it must be one of argon2, pbkdf2, pbkdf2-sha256, pbkdf2-sha512")
		return ""
	}
}

// keycloakArgon reads what argon2 has beside the iterations: lists of one value.
func keycloakArgon(data *row, iterations string) (kind, cost string) {
	more := data.child("additionalParameters")
	if more == nil {
		data.refuse("additionalParameters", "it is missing")
		return "", ""
	}
	one := func(name string) string {
		values := more.list(name)
		if len(values) != 1 || len(values[0]) > 10 {
			more.refuse(name, "it must be a list of one value")
			return ""
		}
		return values[0]
	}
	if version := one("version"); version != "1.3" {
		more.refuse("version", "it must be 1.3; Keycloak's argon2 1.0 can't be verified here")
	}
	return one("type"), fmt.Sprintf("v=19$m=%s,t=%s,p=%s", one("memory"), iterations, one("parallelism"))
}
