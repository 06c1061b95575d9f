package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// FirebaseHash is a user's hash in Firebase's export, with the parameters that
// the whole project shares. SignerKey is a secret of that project.
type FirebaseHash struct {
	SignerKey, SaltSeparator []byte
	Rounds, MemCost          int
	Salt, Hash               []byte
}

// firebaseHash is Firebase's scrypt (github.com/firebase/scrypt): the hash is
// the project's signer key, encrypted by AES-256-CTR under scrypt of the
// password. A counter mode adds a key stream to the text, so hash and signer
// key together are the key stream; that is what a row keeps. It verifies as
// well as the hash does, and neither the signer key nor anything that it could
// be found from is in the database.
type firebaseHash struct {
	scryptCost

	salt   []byte // with the separator
	stream []byte
}

var errFirebase = errors.New("password hash: not a hash of Firebase's scrypt")

const (
	minSigner   = 16
	maxSigner   = 128
	firebaseKey = 32 // AES-256
)

// Import makes the string to store: "$firebase-scrypt$ln=14,r=8,p=1$salt$stream".
func (f FirebaseHash) Import() (string, error) {
	cost, err := scryptCost{f.MemCost, f.Rounds, 1}.bounded()
	if err != nil {
		return "", err
	}
	salt := append(append([]byte(nil), f.Salt...), f.SaltSeparator...)
	switch {
	case len(f.SignerKey) < minSigner || len(f.SignerKey) > maxSigner:
		return "", errors.New("password hash: the signer key isn't one of Firebase's")
	case len(f.Hash) != len(f.SignerKey):
		return "", errors.New("password hash: it isn't as long as the signer key; is the key another project's?")
	case len(salt) < minSaltText || len(salt) > maxSalt:
		return "", errFirebase
	}
	stream := make([]byte, len(f.Hash))
	subtle.XORBytes(stream, f.Hash, f.SignerKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$firebase-scrypt$ln=%d,r=%d,p=%d$%s$%s", cost.logN, cost.r, cost.p,
		b64.EncodeToString(salt), b64.EncodeToString(stream)), nil
}

func parseFirebase(rest string) (imported, error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, errFirebase
	}
	cost, err := parseScryptCost(parts[0])
	if err != nil {
		return nil, err
	}
	salt, err1 := parseBytes(parts[1], minSaltText, maxSalt)
	stream, err2 := parseBytes(parts[2], minSigner, maxSigner)
	if errors.Join(err1, err2) != nil {
		return nil, errFirebase
	}
	return firebaseHash{cost, salt, stream}, nil
}

func (f firebaseHash) verify(password string) bool {
	key, err := f.key(password, f.salt, firebaseKey)
	if err != nil {
		return false
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return false
	}
	stream := make([]byte, len(f.stream))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(stream, stream) //nolint:gosec // Firebase's nonce is zero: every password has a key of its own
	return Equal(stream, f.stream)
}

func (firebaseHash) name() string { return "firebase-scrypt" }
