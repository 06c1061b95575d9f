package secret

import (
	"encoding/base64"
	"strings"
	"testing"
)

// imports are vectors made by others, of the password "lètmein" where a row
// names no other: Django 5.2 (its hashers, with lower costs), passlib 1.7,
// Werkzeug 3.1, argon2-cffi 25.1, bcrypt 4.0 and hashlib of Python 3; Firebase's
// is of github.com/firebase/scrypt's README.
var imports = []struct{ name, kind, stored, password string }{
	{"argon2i, argon2-cffi", "argon2i", "$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$q2hzsk7+ZxC/yFtzqI+GdufJXj9TagFBAAuVPKj/gUU", ""},
	{"argon2id, argon2-cffi", "argon2id", "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$FioVBZO+fQO5hveeGpiqRnAe5zWloySVGg49Lj8XC6M", ""},
	{"argon2id, Django, low", "argon2id", "argon2$argon2id$v=19$m=1024,t=2,p=8$c2Vhc2FsdDFzZWFzYWx0Mg$ggrfsX6vHGioVACcrqUnE+Gt+Baig8AHtkhEbcTyHNg", ""},
	{"argon2id, Django, its own cost", "argon2id", "argon2$argon2id$v=19$m=102400,t=2,p=8$c2Vhc2FsdDFzZWFzYWx0Mg$gBGAQ2Bv6PyJirZpdzwZ4fgxjlOLI6G9++0/qUoXy1o", ""},
	{"argon2i, Django", "argon2i", "argon2$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$q2hzsk7+ZxC/yFtzqI+GdufJXj9TagFBAAuVPKj/gUU", ""},
	{"argon2id, Keycloak's numbers, argon2-cffi", "argon2id", "$argon2id$v=19$m=7168,t=5,p=1$AAECAwQFBgcICQoLDA0ODw$4EiBugwYBjrz+cEnj0OsMm1cS5d5S/ne9zHfiT+g9Mc", ""},
	{"bcrypt 2a", "bcrypt", "$2a$05$hXW.S5ugwE3apTSmK58CZOO6TAn3h8.yIPAb7yr1.gXU/umZKlJXe", ""},
	{"bcrypt 2b", "bcrypt", "$2b$05$Qusn8QaFAleBZfZxBoQbpOszFVbshksdeQVdQhPxdYIZwvH5R0HdG", ""},
	{"bcrypt 2y", "bcrypt", "$2y$05$9/MDdvdFOnV70bOVA7llzeNsPYA1hQ2PlyuMVrkRMYoqzFpWgjDPi", ""},
	{"bcrypt, more than 72 bytes", "bcrypt", "$2b$05$N3gRi82/moq2cGCj1ORbVelDClFa4VL1RaSNuLexahPe7nASqOJ8W", strings.Repeat("x", 72) + "more"},
	{"bcrypt, Django", "bcrypt", "bcrypt$$2b$05$RLVQpxKVL6WKDjD4E2xkYeVQjMZkOKbaTdic8onGNsuR7v6c5ijje", ""},
	{"bcrypt_sha256, Django", "bcrypt-sha256", "bcrypt_sha256$$2b$05$aWYshXgdthkxDwXy3filnuHjy2vjx3pBexSjYdDwBLQJIpAQkZ0De", ""},
	{"pbkdf2 sha1, passlib", "pbkdf2-sha1", "$pbkdf2$5000$MDEyMzQ1Njc4OWFiY2RlZg$KUdmhlWHrGlQd1E/b7JwxqiUTk4", ""},
	{"pbkdf2 sha1, PHC", "pbkdf2-sha1", "$pbkdf2-sha1$i=5000,l=20$MDEyMzQ1Njc4OWFiY2RlZg$KUdmhlWHrGlQd1E/b7JwxqiUTk4", ""},
	{"pbkdf2 sha256, passlib", "pbkdf2-sha256", "$pbkdf2-sha256$5000$MDEyMzQ1Njc4OWFiY2RlZg$fJEcWuccH0BVkSkMljrLYpzXxaOK7B6a1/aMmxWB1ZA", ""},
	{"pbkdf2 sha512, passlib", "pbkdf2-sha512", "$pbkdf2-sha512$5000$MDEyMzQ1Njc4OWFiY2RlZg$PVxViS6On6bH0frgxtJ6xiBFW89u9FFZkMi8W8UhuX1L0ZaWwZqZzxa8cx25uqdtLm2yPsOZ.aLZPsyvPyrJgA", ""},
	{"pbkdf2 sha1, 64 bytes in four blocks, hashlib", "pbkdf2-sha1", "$pbkdf2-sha1$i=20000,l=64$AAECAwQFBgcICQoLDA0ODw$XHQoPJTb2TWsvnFTgPL72iRQcqCBASVGsk3b0BcPshi846xKRyAI2YWo1YZq2QCpeTUDfiOUChixz/NgZkawvg", ""},
	{"pbkdf2 sha256, 64 bytes in two blocks, hashlib", "pbkdf2-sha256", "$pbkdf2-sha256$i=27500,l=64$AAECAwQFBgcICQoLDA0ODw$Zln/ZE4k41bQzrIB1tzW7cPAhg+w9844Gj4ua+E91V2xiZFnkiueDXgBzWBarioCwIKVTOPzMTQ8SiRH3EAMoQ", ""},
	{"pbkdf2 sha256, Django", "pbkdf2-sha256", "pbkdf2_sha256$20000$seasalt12345$bze3xOfNlwdiIhRCL5LcLAxc+hl6FjE+FeOrUatAOV0=", ""},
	{"pbkdf2 sha256, Django, its own cost", "pbkdf2-sha256", "pbkdf2_sha256$1000000$seasalt12345678901234$diA1fjN7REzt8RSe3LWNmPkdJReDeQHIX4o2vo4YUUU=", ""},
	{"pbkdf2 sha1, Django", "pbkdf2-sha1", "pbkdf2_sha1$20000$seasalt12345$BwmwmY13MlfZHTP6J92nfaYWkWU=", ""},
	{"pbkdf2 sha256, Werkzeug", "pbkdf2-sha256", "pbkdf2:sha256:5000$HGkwTsfV7sJi2v3s$08171800455303a808701be7830d2d44c219c1714820e77f834a51ac67edd594", ""},
	{"pbkdf2 sha512, Werkzeug", "pbkdf2-sha512", "pbkdf2:sha512:5000$3921meQw6fnU03Rw$a9db845f7d970b847d07b72d167c8edd480a5df250a080920940170d23b29327bdc3d00f92041e8524a3ed4eb46c3bf3bfdaeece71f87ce174ace3c834e9b4a5", ""},
	{"pbkdf2 sha1, Werkzeug", "pbkdf2-sha1", "pbkdf2:sha1:5000$PfMWzNEb1ZI38Tx6$3b46962bd4aa1d2e55b1ec8aef855d5ee28fd46f", ""},
	{"scrypt, passlib", "scrypt", "$scrypt$ln=8,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$8M6JNO+eHGlLGlgQuvif0BtrPbogWEMf1Alk/3n0X70", ""},
	{"scrypt, wider, hashlib", "scrypt", "$scrypt$ln=10,r=16,p=2$TmFDbDQ1Njc$uSoQGrHvXGlhnr58mxDSZtqGptFkxZurL88xQ2vWbE0", ""},
	{"scrypt, Django", "scrypt", "scrypt$1024$seasalt12345$8$5$3apsYQItJyrxWnMwhvkOLavO2dV4EvcFtvODtsvGa5kdyDxeWVYAJ8ru3rCWPRVzGLZkDj9KP+ugBSruqO5rFw==", ""},
	{"scrypt, Django, its own cost", "scrypt", "scrypt$16384$seasalt12345$8$5$Lf0+07cJJKUtKcoNjUu5S+Ypu8bweRrjNjrr9jd1bTvtzRDVDFyd/y8Xvxqx+1pDb0HF7t9n4UUiJRmMihbG3g==", ""},
	{"scrypt, Werkzeug", "scrypt", "scrypt:32768:8:1$IlkszH0a5qAcBktl$2f1d72a11a7ef9bd492ec4b2d82394ae7f2d4090f51482967645a29e6caa98197a29a7ea447a8f7144f02e316367f906dd6350912617f810d50412b5b2a3d388", ""},
	{"SSHA, passlib", "ssha", "{SSHA}FS2N8g7PyU9jcWpsFeOAhz5JsCtFSGlt", ""},
	{"SSHA in small letters", "ssha", "{ssha}FS2N8g7PyU9jcWpsFeOAhz5JsCtFSGlt", ""},
	{"SSHA, 8 bytes of salt, hashlib", "ssha", "{SSHA}blsFBhFTrCurKFRgEqFv1rD/b05zYWx0U0FMVA==", ""},
	{"SSHA256, passlib", "ssha256", "{SSHA256}dKxE3/r6Ss751RBwNMhLYpzgXxPGKc520q3JlibLEa58z5mTcg7B2A==", ""},
	{"SSHA384, hashlib", "ssha384", "{SSHA384}X700ovevSBJYyB72nGDUE6Ax1vGVGzA1utFF5d2RRdYj8EnBHo/RQjxpFrgPLjS8c2FsdFNBTFQ=", ""},
	{"SSHA512, passlib", "ssha512", "{SSHA512}Ec04T7bY2/nQrbxzhgb4DcxsV7ze91i48F2Ttn+tz4i9Z5+iogKn4oVMOfdN6ZqToWBYNXXL35z6xq2K3FcDjZpTqrXW+l/L", ""},
}

func TestVerifyImported(t *testing.T) {
	h := NewHasher(0, 0, 0)
	for _, tt := range imports {
		t.Run(tt.name, func(t *testing.T) {
			if tt.password == "" {
				tt.password = "lètmein"
			}
			verifies(t, h, tt.stored, tt.password)
			if kind, err := Kind(tt.stored); kind != tt.kind || err != nil || Known(tt.stored) != nil {
				t.Errorf("kind %q, %v", kind, err)
			}
			if !Outdated(tt.stored) {
				t.Error("not to be made again")
			}
		})
	}
}

func verifies(t *testing.T, h *Hasher, stored, password string) {
	t.Helper()
	if ok, err := h.Verify(t.Context(), "", password, stored); !ok || err != nil {
		t.Errorf("the password: %v, %v", ok, err)
	}
	for _, wrong := range []string{"!" + password, "", "\x00"} {
		if ok, err := h.Verify(t.Context(), "", wrong, stored); ok || err != nil {
			t.Errorf("%q: %v, %v", wrong, ok, err)
		}
	}
}

// The example of github.com/firebase/scrypt's README.
const (
	firebaseSigner    = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
	firebaseSeparator = "Bw=="
	firebaseSalt      = "42xEC+ixf3L2lw=="
	firebaseStored    = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
)

func firebaseExample(t testing.TB) FirebaseHash {
	t.Helper()
	read := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return FirebaseHash{
		SignerKey: read(firebaseSigner), SaltSeparator: read(firebaseSeparator), Rounds: 8, MemCost: 14,
		Salt: read(firebaseSalt), Hash: read(firebaseStored),
	}
}

func TestFirebase(t *testing.T) {
	f := firebaseExample(t)
	stored, err := f.Import()
	if err != nil {
		t.Fatal(err)
	}
	verifies(t, NewHasher(0, 0, 0), stored, "user1password")
	if kind, err := Kind(stored); kind != "firebase-scrypt" || err != nil || !Outdated(stored) {
		t.Errorf("kind %q, %v", kind, err)
	}
	// What is stored is neither the key nor the hash.
	for _, secret := range []string{firebaseSigner, firebaseStored} {
		if strings.Contains(stored, strings.TrimRight(secret, "=")[:16]) {
			t.Errorf("%s stores a secret of the project", stored)
		}
	}
	for name, change := range map[string]func(*FirebaseHash){
		"no signer key":        func(f *FirebaseHash) { f.SignerKey = nil },
		"another length":       func(f *FirebaseHash) { f.Hash = f.Hash[:32] },
		"memory beyond bounds": func(f *FirebaseHash) { f.MemCost = 30 },
		"no memory":            func(f *FirebaseHash) { f.MemCost = 0 },
		"no rounds":            func(f *FirebaseHash) { f.Rounds = 0 },
		"no salt":              func(f *FirebaseHash) { f.Salt, f.SaltSeparator = nil, nil },
	} {
		other := firebaseExample(t)
		change(&other)
		if _, err := other.Import(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	other := firebaseExample(t)
	other.SignerKey[0] ^= 1
	stored, _ = other.Import()
	if ok, _ := NewHasher(0, 0, 0).Verify(t.Context(), "", "user1password", stored); ok {
		t.Error("verified under another key")
	}
}

func TestImportedRefused(t *testing.T) {
	const tag = "bze3xOfNlwdiIhRCL5LcLAxc+hl6FjE+FeOrUatAOV0="
	for stored, says := range map[string]string{
		"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=":         "{SHA} is not taken",
		"{md5}X03MO1qnZdYdgyfeuILPmQ==":             "{MD5} is not taken",
		"{CRYPT}$6$saltsalt$abcdefgh":               "{CRYPT} is not taken",
		"{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=":        "salted hash",
		"{SSHA}not base64":                          "salted hash",
		"{SSHA256}FS2N8g7PyU9jcWpsFeOAhz5JsCtFSGlt": "salted hash",
		"{PLAIN": "unknown format",
		"$argon2d$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$FioVBZO+fQO5hveeGpiqRnAe5zWloySVGg": "argon2d",
		"argon2$argon2d$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$FioVBZO+fQO5hveeGpiqRnAe":     "argon2d",
		"$argon2i$v=16$m=1024,t=2,p=2$c29tZXNhbHQ$FioVBZO+fQO5hveeGpiqRnAe":           "version 19",
		"argon2$argon2id$v=19$m=1048576,t=2,p=2$c29tZXNhbHQ$FioVBZO+fQO5hveeGpiq":     "out of bounds",
		"$2x$05$Qusn8QaFAleBZfZxBoQbpOszFVbshksdeQVdQhPxdYIZwvH5R0HdG":                "broken variants",
		"$2b$16$Qusn8QaFAleBZfZxBoQbpOszFVbshksdeQVdQhPxdYIZwvH5R0HdG":                "15 is the most",
		"$2b$05$Qusn8QaFAleBZfZxBoQbpOszFVbshksdeQVdQhPxdYIZwvH5R0HdGmore":            "not a bcrypt hash",
		"bcrypt_sha256$$2x$05$aWYshXgdthkxDwXy3filnuHjy2vjx3pBexSjYdDwBLQJIpAQkZ0D":   "not a bcrypt hash",
		"pbkdf2_sha256$3000000$seasalt12345$" + tag:                                   "2,000,000 are the most",
		"pbkdf2_sha256$-1$seasalt12345$" + tag:                                        "PBKDF2",
		"pbkdf2_sha256$+20000$seasalt12345$" + tag:                                    "PBKDF2",
		"pbkdf2_sha256$20000$$" + tag:                                                 "PBKDF2",
		"pbkdf2_sha256$20000$seasalt12345":                                            "PBKDF2",
		"pbkdf2:sha256$seasalt12345$0817":                                             "without a number of iterations",
		"pbkdf2:md5:5000$seasalt12345$08171800455303a808701be7830d2d44":               "PBKDF2",
		"pbkdf2_md5$5000$seasalt12345$08171800455303a808701be7830d2d44":               "unknown format",
		"scrypt$1000$seasalt12345$8$5$" + tag:                                         "scrypt",
		"scrypt$16777216$seasalt12345$8$5$" + tag:                                     "out of bounds",
		"scrypt:32768:64:1$seasalt12345$08171800455303a808701be7830d2d44":             "", // 256 MiB, the most
		"scrypt:65536:64:1$seasalt12345$08171800455303a808701be7830d2d44":             "out of bounds",
		"scrypt:32768:8$seasalt12345$08171800455303a808701be7830d2d44":                "scrypt",
		"$scrypt$ln=8,r=8,p=9$MDEyMzQ1Njc4OWFiY2RlZg$" + tag[:43]:                     "out of bounds",
		"$scrypt$ln=8,r=8,p=1,x$MDEyMzQ1Njc4OWFiY2RlZg$" + tag[:43]:                   "scrypt",
		"$firebase-scrypt$ln=30,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$" + tag[:43]:           "out of bounds",
		"$firebase-scrypt$ln=14,r=8,p=1$" + tag[:43]:                                  "Firebase",
		"md5$seasalt12345$6e6083366099c290e3a006145e00b8ad":                           "md5 is not taken",
		"$1$saltsalt$abc":                             "$1 is not taken",
		"5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8":    "without salt",
		"!6JP0CSrmF966oVAw3RMxk7EcCZ1zfKpwkXXNvnut":   "leave it out",
		"$2b$" + strings.Repeat("x", 2000):            "longer than any",
		"hunter2:hunter2hunter2hunter2hunter2hunter2": "unknown format",
	} {
		err := Known(stored)
		switch {
		case says == "" && err != nil, says != "" && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("%s: %v, wanted %q", stored, err, says)
		case err != nil:
			repeatsNothing(t, stored, err)
		}
	}
}

// repeatsNothing looks for any eight characters of salt or tag; costs may stand
// in an error.
func repeatsNothing(t *testing.T, stored string, err error) {
	t.Helper()
	rest := stored[strings.LastIndexAny(stored, "$:}")+1:]
	for i := 0; i+8 <= len(rest); i++ {
		if piece := rest[i : i+8]; strings.Contains(err.Error(), piece) {
			t.Errorf("%s: the error repeats %q: %v", stored, piece, err)
		}
	}
}

// Case 230, for people who were imported: a wrong password for a hash that is
// quicker than ours takes as long as one for nobody's name.
func Test230CheapHashesTakeAsLong(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	h := NewHasher(1, 0, 0)
	wrong, unknown := leastCPU(t, func() { _, _ = h.Verify(t.Context(), "", "wrong", "{SSHA}FS2N8g7PyU9jcWpsFeOAhz5JsCtFSGlt") },
		func() { _ = h.VerifyNothing(t.Context(), "", "wrong") })
	if gap := (wrong - unknown).Abs(); gap > unknown/5 {
		t.Errorf("CPU: imported %v, unknown %v", wrong, unknown)
	}
}

func FuzzImported(f *testing.F) {
	for _, tt := range imports {
		f.Add(tt.stored)
	}
	stored, _ := firebaseExample(f).Import()
	f.Add(stored)
	f.Fuzz(func(t *testing.T, stored string) {
		v, err := parsePHC(stored)
		if err != nil {
			return
		}
		if kind, err := Kind(stored); kind == "" || err != nil {
			t.Errorf("%q: %q, %v", stored, kind, err)
		}
		if p, ok := v.(padded); ok {
			v = p.imported
		}
		bounds(t, stored, v)
	})
}

// bounds checks what a row can ask for.
func bounds(t *testing.T, stored string, v verifier) {
	t.Helper()
	ok := true
	switch h := v.(type) {
	case argon:
		ok = h.memory <= maxMemory && h.time <= maxTime && h.threads <= maxThreads
	case argonI:
		ok = h.memory <= maxMemory && h.time <= maxTime && h.threads <= maxThreads
	case djangoArgon:
		ok = h.memory <= maxMemory && h.time <= maxTime && h.threads <= maxThreads
	case pbkdf2Hash:
		ok = h.iterations <= maxIterations && len(h.tag) >= minSalt && h.digest.make != nil
	case scryptHash:
		ok = 128*h.r<<h.logN <= maxScryptSize && h.p <= maxThreads && len(h.tag) >= minSalt
	case firebaseHash:
		ok = 128*h.r<<h.logN <= maxScryptSize && h.p <= maxThreads && len(h.stream) >= minSigner
	case bcryptHash:
		ok = h.cost <= maxBcryptCost
	case salted:
		ok = len(h.tag) == h.digest.make().Size() && len(h.salt) >= minSaltText
	}
	if !ok {
		t.Errorf("%q is beyond the bounds", stored)
	}
}
