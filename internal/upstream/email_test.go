package upstream

import (
	"strings"
	"testing"
)

// Case 276: whoever may come in is told by a domain that is equal.
func TestCase276AllowedDomains(t *testing.T) {
	m := mapping{trustEmail: true, allowed: List{"corp.com"}}
	for email, want := range map[string]bool{
		"a@corp.com": true, "A.b+c@corp.com": true, "a@CORP.com": true, "jörg@corp.com": true,
		"a@evil@corp.com": false, "a@corp.com.evil": false, "a@CORP.com ": false, " a@corp.com": false, "a@xcorp.com": false, "a@sub.corp.com": false,
		"a@corp.com@evil.com": false, `"a@corp.com"@evil.com`: false, `"a"@corp.com`: false, "a@corp.com.": false, "a@[127.0.0.1]": false,
		"a@corp.com\x00": false, "a@corp.com\n": false, "a@\u212aorp.com": false, "a@corp\uff0ecom": false, "a b@corp.com": false, "@corp.com": false,
		"a@": false, "a": false, "": false, "a.@corp.com": false, ".a@corp.com": false, "a..b@corp.com": false, "<a@corp.com>": false, "a(x)@corp.com": false,
		"a,b@corp.com": false, "a@corp.com,b@corp.com": false, "a\u2028@corp.com": false, strings.Repeat("a", 65) + "@corp.com": false,
		"a@" + strings.Repeat("x", 64) + ".com": false,
	} {
		quoted := profile{"email": quote(email)}
		id := Identity{}
		err := m.apply(&id, quoted, true)
		if (err == nil) != want {
			t.Errorf("%q: %v", email, err)
		}
	}
	id := Identity{}
	if err := m.apply(&id, profile{"email": quote("a@corp.com")}, false); err == nil {
		t.Error("an unverified address opens the door")
	}
	m.trustEmail = false
	if err := m.apply(&id, profile{"email": quote("a@corp.com")}, true); err == nil {
		t.Error("an untrusted address opens the door")
	}
}

func quote(s string) []byte {
	return []byte(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\x00", `\u0000`, "\n", `\n`).Replace(s) + `"`)
}

func FuzzEmail(f *testing.F) {
	for _, seed := range []string{"a@b.example", "a@b@c.example", `"a b"@c.example`, "a@[::1]", "ä@ö.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := parseEmail(s)
		if !ok {
			return
		}
		again, ok := parseEmail(a.String())
		if !ok || again != a || strings.Count(s, "@") != 1 || strings.ContainsAny(a.domain, " @") {
			t.Errorf("%q gives %+v", s, a)
		}
	})
}
