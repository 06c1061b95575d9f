//go:build unix

package directory

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// entry is one of the tree: its attributes, by name.
type entry map[string][]string

// ldif writes an entry, every value in base64, so that none needs care.
func (e entry) ldif(dn string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dn:: %s\n", base64.StdEncoding.EncodeToString([]byte(dn)))
	for _, name := range slices.Sorted(maps.Keys(e)) {
		for _, value := range e[name] {
			fmt.Fprintf(&b, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(value)))
		}
	}
	return b.String() + "\n"
}

// DN is the name of a person's entry: by full name, as in Active Directory.
func DN(cn string) string { return "cn=" + ldap.EscapeDN(cn) + "," + People }

// GroupDN is the name of a group's entry.
func GroupDN(cn string) string { return "cn=" + ldap.EscapeDN(cn) + "," + Groups }

// FileTime writes a time as Windows counts it: tenths of microseconds since
// 1601.
func FileTime(t time.Time) string {
	return strconv.FormatInt((t.Unix()+11_644_473_600)*10_000_000, 10)
}

const day = 24 * time.Hour

// MaxPasswordAge is the domain's own policy.
const MaxPasswordAge = 42 * day

func tree(now time.Time) string {
	var b strings.Builder
	unit := func(name string) {
		b.WriteString(entry{"objectClass": {"organizationalUnit"}, "ou": {name}}.ldif("ou=" + name + "," + Base))
	}
	b.WriteString(entry{
		"objectClass": {"dcObject", "organization", "domainDNS"}, "o": {"Corp"}, "dc": {"corp"},
		"maxPwdAge": {strconv.FormatInt(int64(-MaxPasswordAge/100), 10)},
	}.ldif(Base))
	for _, name := range []string{"People", "Codes", "Groups", "Shadow", "Policies"} {
		unit(name)
	}
	b.WriteString(entry{"objectClass": {"organizationalRole", "simpleSecurityObject"}, "cn": {"reader"}, "userPassword": {BindPassword}}.ldif(BindDN))
	for name, policy := range policies {
		policy["objectClass"], policy["cn"], policy["pwdAttribute"] = []string{"organizationalRole", "pwdPolicy"}, []string{name}, []string{"userPassword"}
		b.WriteString(policy.ldif(policyDN(name)))
	}
	above := map[string][]string{}
	for _, g := range groups() {
		for _, member := range g["member"] {
			above[member] = append(above[member], g.dn())
		}
	}
	for _, p := range people(now) {
		p.attributes["memberOf"] = above[p.dn()]
		b.WriteString(p.entry().ldif(p.dn()))
	}
	for _, g := range groups() {
		name := g.dn()
		g["memberOf"] = above[name]
		delete(g, "place")
		b.WriteString(g.ldif(name))
	}
	// Whoever searches here is told that there is more elsewhere (RFC 4511
	// §4.5.3).
	b.WriteString(entry{"objectClass": {"referral", "extensibleObject"}, "cn": {"elsewhere"}, "ref": {"ldap://127.0.0.1:1/" + Base}}.ldif(DN("elsewhere")))
	return b.String()
}

func policyDN(name string) string { return "cn=" + name + ",ou=Policies," + Base }

// policies of overlay ppolicy.
var policies = map[string]entry{
	"standard": {"pwdLockout": {"TRUE"}, "pwdMustChange": {"TRUE"}},
	"aging":    {"pwdMaxAge": {"2592000"}, "pwdExpireWarning": {"1209600"}}, // 30 days; tells in the last 14
	"grace":    {"pwdMaxAge": {"2592000"}, "pwdExpireWarning": {"1209600"}, "pwdGraceAuthNLimit": {"5"}},
}

// groups: staff, admins, a chain deeper than anybody should go, a ring, 600 of
// one person, and a second admins in a corner that others administer.
func groups() (all []entry) {
	group := func(place, cn string, members ...string) {
		all = append(all, entry{"objectClass": {"group"}, "cn": {cn}, "member": members, "place": {place}})
	}
	group(Groups, "staff", DN("Alice Example"), DN("Bob Example"), DN(OddName))
	group(Groups, "admins", DN("Bob Example"))
	group("ou=Shadow,"+Base, "admins", DN("Alice Example"))
	group(Groups, "cn=admins,"+Groups, DN("Alice Example"))
	group(Groups, "level01", DN("Alice Example"))
	for i := 2; i <= 14; i++ {
		group(Groups, fmt.Sprintf("level%02d", i), GroupDN(fmt.Sprintf("level%02d", i-1)))
	}
	group(Groups, "ring-a", DN("Alice Example"), GroupDN("ring-b"))
	group(Groups, "ring-b", GroupDN("ring-a"))
	for i := range 600 {
		group(Groups, fmt.Sprintf("many%03d", i), DN("Joiner Example"))
	}
	return all
}

func (e entry) dn() string { return "cn=" + ldap.EscapeDN(e["cn"][0]) + "," + e["place"][0] }
