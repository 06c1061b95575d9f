package imports

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// auth0Hash takes the one of three fields that is there.
func auth0Hash(r *row) string {
	custom := r.child("custom_password_hash")
	given := 0
	for _, name := range []string{"passwordHash", "password_hash", "custom_password_hash"} {
		if r.has(name) {
			given++
		}
	}
	switch {
	case given > 1:
		r.refuse("password_hash", "there is more than one of passwordHash, password_hash and custom_password_hash")
		return ""
	case custom != nil:
		return auth0Custom(custom)
	}
	return r.text("passwordHash") + r.text("password_hash")
}

// auth0Custom: most algorithms have a string that says everything.
func auth0Custom(c *row) string {
	hash := c.child("hash")
	if hash == nil {
		c.refuse("hash", "it is missing")
		return ""
	}
	switch c.text("algorithm") {
	case "argon2", "bcrypt", "pbkdf2", "ldap":
		return hash.text("value")
	case "scrypt":
		return auth0Scrypt(c, hash)
	}
	c.refuse("algorithm", "it must be one of argon2, bcrypt, ldap, pbkdf2, scrypt; leave others out, so that their owner chooses a new password")
	return ""
}

func auth0Scrypt(c, hash *row) string {
	salt := c.child("salt")
	if salt == nil {
		c.refuse("salt", "it is missing")
		return ""
	}
	n, err := strconv.ParseUint(c.id("cost"), 10, 31)
	if err != nil || n < 2 || n&(n-1) != 0 {
		c.refuse("cost", "it must be a power of two")
		return ""
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$scrypt$ln=%d,r=%s,p=%s$%s$%s", bits.Len64(n)-1, c.id("blockSize"), c.id("parallelization"),
		b64.EncodeToString(auth0Bytes(salt)), b64.EncodeToString(auth0Bytes(hash)))
}

// auth0Bytes reads a value in its encoding; a salt without one is text.
func auth0Bytes(r *row) []byte {
	value := r.text("value")
	var out []byte
	var err error
	switch encoding := strings.ToLower(r.text("encoding")); encoding {
	case "", "utf8":
		return []byte(value)
	case "hex":
		out, err = hex.DecodeString(value)
	case "base64":
		out, err = readBase64(value)
	default:
		r.refuse("encoding", "it must be one of base64, hex, utf8")
		return nil
	}
	if err != nil {
		r.refuse("value", "it isn't in its encoding")
	}
	return out
}
