package secret

import (
	"encoding/base64"
	"errors"
	"strings"
)

// salted is {SSHA} and its kin, as directories keep them: one round of a hash
// over password and salt. It is worth little; the next sign-in ends it.
type salted struct {
	digest    digest
	salt, tag []byte
}

// parseSalted reads base64 of hash and salt. The salt's length is what is left:
// OpenLDAP's is 4 bytes in old versions and 8 now.
func parseSalted(name, rest string) (imported, error) {
	bad := errors.New("password hash: not a salted hash of a directory")
	algorithm := strings.ToLower(strings.Trim(name, "{}")[1:])
	if algorithm == "sha" {
		algorithm = "sha1"
	}
	d := digests[algorithm]
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(rest, "="))
	if err != nil || strings.ContainsAny(rest, "\r\n") {
		return nil, bad
	}
	size := d.make().Size()
	if len(raw) < size+minSaltText || len(raw) > size+maxSalt {
		return nil, bad
	}
	return salted{d, raw[size:], raw[:size]}, nil
}

func (s salted) verify(password string) bool {
	h := s.digest.make()
	_, _ = h.Write([]byte(password))
	_, _ = h.Write(s.salt)
	return Equal(h.Sum(nil), s.tag)
}

func (s salted) name() string {
	if s.digest.name == "sha1" {
		return "ssha"
	}
	return "s" + s.digest.name
}

func (salted) cheap() bool { return true }
