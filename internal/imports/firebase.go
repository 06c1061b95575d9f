package imports

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/valetkey/valetkey/internal/secret"
)

// FirebaseKey has what all hashes of a Firebase project share. SignerKey is a
// secret of that project: it is used while reading and kept nowhere.
type FirebaseKey struct {
	SignerKey, SaltSeparator []byte
	Rounds, MemCost          int
}

var firebaseSetting = regexp.MustCompile(`(?m)^\s*"?(algorithm|base64_signer_key|base64_salt_separator|rounds|mem_cost)"?\s*[:=]\s*"?([A-Za-z0-9+/_=-]*)"?\s*,?\s*$`)

// ParseFirebaseKey reads the "hash_config { … }" that the console shows under
// Authentication, Users, Password hash parameters. An error repeats none of it.
func ParseFirebaseKey(text string) (*FirebaseKey, error) {
	found := map[string]string{}
	for _, m := range firebaseSetting.FindAllStringSubmatch(text, -1) {
		if _, twice := found[m[1]]; twice {
			return nil, fmt.Errorf("%s comes twice", m[1])
		}
		found[m[1]] = m[2]
	}
	if a := found["algorithm"]; a != "" && a != "SCRYPT" {
		return nil, errors.New("algorithm must be SCRYPT")
	}
	k := &FirebaseKey{}
	var err error
	if k.SignerKey, err = readBase64(found["base64_signer_key"]); err != nil || len(k.SignerKey) == 0 {
		return nil, errors.New("base64_signer_key is missing or isn't base64; copy the whole hash_config { … } of the console")
	}
	if k.SaltSeparator, err = readBase64(found["base64_salt_separator"]); err != nil {
		return nil, errors.New("base64_salt_separator isn't base64")
	}
	for name, into := range map[string]*int{"rounds": &k.Rounds, "mem_cost": &k.MemCost} {
		if *into, err = strconv.Atoi(found[name]); err != nil {
			return nil, fmt.Errorf("%s is missing or no number", name)
		}
	}
	return k, nil
}

// readFirebase reads a user of auth:export's JSON.
func readFirebase(r *row, o Options) User {
	u := User{
		Email: r.text("email"), EmailVerified: r.yes("emailVerified"), Name: r.text("displayName"),
		Disabled: r.yes("disabled"), CreatedAt: r.millis("createdAt"),
	}
	u.claim("picture", r.text("photoUrl"))
	u.claim("phone_number", r.text("phoneNumber"))
	u.Hash = firebaseHash(r, o)
	for _, c := range r.children("providerUserInfo") {
		switch provider := c.text("providerId"); provider {
		case "password":
		case "phone":
			u.left("sign-in by phone")
		default:
			u.identity(o, c.text("email"), c.id("rawId"), provider)
		}
	}
	for name, words := range map[string]string{"customAttributes": "custom claims", "mfaInfo": "second factor"} {
		if r.filled(name) {
			u.left(words)
		}
	}
	if u.Email == "" && len(u.Identities) > 0 {
		u.Username = r.text("localId")
	}
	if u.Email == "" && !r.filled("providerUserInfo") && !r.has("phoneNumber") {
		u.Skip = "anonymous"
		return u
	}
	u.keep(r, o, "localId")
	return finish(r, u, "passwordHash")
}

// firebaseHash needs the project's parameters.
func firebaseHash(r *row, o Options) string {
	hash := r.bytes("passwordHash")
	switch {
	case len(hash) == 0:
		return ""
	case o.Firebase == nil:
		r.refuse("passwordHash", "it can't be read without the project's hash parameters (--firebase-key)")
		return ""
	}
	k := o.Firebase
	stored, err := secret.FirebaseHash{
		SignerKey: k.SignerKey, SaltSeparator: k.SaltSeparator, Rounds: k.Rounds, MemCost: k.MemCost,
		Salt: r.bytes("salt"), Hash: hash,
	}.Import()
	if err != nil {
		r.refuse("passwordHash", hashWords(err))
	}
	return stored
}
