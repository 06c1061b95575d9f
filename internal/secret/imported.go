package secret

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Hashes that came with imported users. They are verified within the same
// bounds and are Outdated: the next sign-in replaces them. We make none. No
// error repeats a salt or a tag.
const (
	maxImported   = 1024 // characters
	minSaltText   = 4    // bytes; of salts that others chose
	maxBcryptCost = 15
	maxIterations = 2_000_000
	maxScryptLogN = 18
	maxScryptSize = 256 << 20 // bytes: 128·N·r, RFC 7914 §2
)

// imported is a hash of somebody else's making.
type imported interface {
	verifier
	name() string
	// cheap tells whether it costs less than half of what ours does.
	cheap() bool
}

// parsePHC knows the formats by what they begin with.
func parsePHC(stored string) (verifier, error) {
	if name, _ := head(stored); name == "$argon2id" {
		return parseArgon(stored)
	}
	v, err := parseImported(stored)
	if err != nil {
		return nil, err
	}
	if v.cheap() {
		return padded{v}, nil
	}
	return v, nil
}

// Kind names the format of a hash, for a report; the error is Known's.
func Kind(stored string) (string, error) {
	v, err := parsePHC(stored)
	if err != nil {
		return "", err
	}
	if p, ok := v.(padded); ok {
		v = p.imported
	}
	if i, ok := v.(imported); ok {
		return i.name(), nil
	}
	return "argon2id", nil
}

// head is a hash's name: what stands before its parameters.
func head(stored string) (name, rest string) {
	if strings.HasPrefix(stored, "{") {
		scheme, rest, _ := strings.Cut(stored[1:], "}")
		return "{" + strings.ToUpper(scheme) + "}", rest // RFC 2307 §5.3: in any case
	}
	if rest, ok := strings.CutPrefix(stored, "$"); ok {
		name, rest, _ = strings.Cut(rest, "$")
		return "$" + name, rest
	}
	if i := strings.IndexAny(stored, ":$"); i >= 0 {
		return stored[:i+1], stored[i+1:]
	}
	return stored, ""
}

func parseImported(stored string) (imported, error) {
	if len(stored) > maxImported {
		return nil, errors.New("password hash: it is longer than any that is known")
	}
	name, rest := head(stored)
	switch name {
	case "$argon2i":
		return parseArgonI(stored)
	case "argon2$": // Django
		return parseDjangoArgon("$" + rest)
	case "$2a", "$2b", "$2y":
		return parseBcrypt(stored)
	case "bcrypt$", "bcrypt_sha256$": // Django
		return parseDjangoBcrypt(name, rest)
	case "$pbkdf2", "$pbkdf2-sha1", "$pbkdf2-sha256", "$pbkdf2-sha512":
		return parsePBKDF2(name, rest)
	case "pbkdf2_sha1$", "pbkdf2_sha256$": // Django
		return parseDjangoPBKDF2(name, rest)
	case "pbkdf2:": // Werkzeug
		return parseWerkzeugPBKDF2(rest)
	case "$scrypt":
		return parseScrypt(rest)
	case "scrypt$": // Django
		return parseDjangoScrypt(rest)
	case "scrypt:": // Werkzeug
		return parseWerkzeugScrypt(rest)
	case "$firebase-scrypt":
		return parseFirebase(rest)
	case "{SSHA}", "{SSHA256}", "{SSHA384}", "{SSHA512}":
		return parseSalted(name, rest)
	}
	return nil, unknown(name, stored)
}

// onlyHex is what MD5, SHA-1 and SHA-2 look like by themselves.
var onlyHex = regexp.MustCompile(`^([0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{128})$`)

// unknown says what is wrong with a format that is not taken.
func unknown(name, stored string) error {
	switch name {
	case "$argon2d":
		return errors.New("password hash: argon2d can't be verified here; leave it out, so that its owner chooses a new password")
	case "$2", "$2x":
		return errors.New("password hash: bcrypt's broken variants $2$ and $2x$ are not taken; $2a$, $2b$ and $2y$ are")
	case "{SHA}", "{MD5}", "{SMD5}", "{CRYPT}", "{CLEARTEXT}", "md5$", "sha1$", "unsalted_md5$", "unsalted_sha1$", "md5:", "sha1:", "sha256:", "sha256$", "sha512$", "$1", "$5", "$6", "$apr1":
		return fmt.Errorf("password hash: %s is not taken; leave it out, so that its owner chooses a new password", strings.TrimRight(name, "$:"))
	}
	switch {
	case strings.HasPrefix(stored, "!"):
		return errors.New("password hash: \"!\" is Django's mark of an account without a password; leave it out")
	case onlyHex.MatchString(stored):
		return errors.New("password hash: a hash without salt is not taken; leave it out, so that its owner chooses a new password")
	}
	return errors.New("password hash: unknown format")
}

// padded is a hash that is quicker than ours. A wrong password then takes as
// long as one for nobody's name, so that the time tells nobody who was
// imported; after a right one the new hash is made.
type padded struct{ imported }

func (p padded) verify(password string) bool {
	if p.imported.verify(password) {
		return true
	}
	ours := argon{memory: ownMemory, time: ownTime, threads: ownThreads, salt: make([]byte, saltSize), tag: make([]byte, tagSize)}
	_ = ours.derive(password)
	return false
}

// number reads decimal digits, and nothing else that strconv would take.
func number(s string, least, most int) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || int(n) < least || int(n) > most {
		return 0, false
	}
	return int(n), true
}

// importedBytes reads base64 as passlib writes it, with "." for "+", and with
// or without padding.
func importedBytes(s string) ([]byte, error) {
	return parseBytes(strings.TrimRight(strings.ReplaceAll(s, ".", "+"), "="), minSalt, maxSalt)
}

// saltText is a salt that is used as it is written: Django's and Werkzeug's.
func saltText(s string) ([]byte, bool) { return []byte(s), len(s) >= minSaltText && len(s) <= maxSalt }
