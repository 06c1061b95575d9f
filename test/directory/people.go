//go:build unix

package directory

import (
	"fmt"
	"strings"
	"time"
)

// OddName has what a distinguished name must escape.
const OddName = `#Odd, "Name" + <x>; \1 =`

// codes are the reasons that Active Directory gives for refusing a bind.
var codes = []string{"525", "52e", "530", "531", "532", "533", "701", "773", "775"}

type member struct {
	uid, cn    string
	attributes entry
}

// dn: those with a code have a corner of their own.
func (m member) dn() string {
	if strings.HasPrefix(m.cn, "Code ") {
		return "cn=" + m.cn + "," + Codes
	}
	return DN(m.cn)
}

// entry is a person as both worlds write it: inetOrgPerson's attributes and
// those under Active Directory's names. objectGUID is made of the uid.
func (m member) entry() entry {
	first, last, _ := strings.Cut(m.cn, " ")
	e := entry{
		"objectClass": {"inetOrgPerson", "user"}, "cn": {m.cn}, "sn": {last}, "givenName": {first}, "displayName": {m.cn},
		"uid": {m.uid}, "sAMAccountName": {m.uid}, "userPrincipalName": {m.uid + "@corp.example"}, "mail": {m.uid + "@corp.example"},
		"objectGUID": {GUID(m.uid)}, "userAccountControl": {"512"}, "userPassword": {Password}, "telephoneNumber": {"+1 555 0100"},
	}
	if last == "" {
		e["sn"] = []string{m.cn}
	}
	for name, values := range m.attributes {
		if name == "objectClass" {
			values = append(e[name], values...)
		}
		e[name] = values
	}
	return e
}

// GUID is the 16 bytes of somebody's objectGUID.
func GUID(uid string) string { return fmt.Sprintf("%-16.16s", uid) }

// people: who is in the tree, and what is peculiar about them.
func people(now time.Time) []member {
	changed := func(ago time.Duration) []string { return []string{now.Add(-ago).UTC().Format("20060102150405Z")} }
	all := []member{
		{"alice", "Alice Example", entry{}},
		{"bob", "Bob Example", entry{}},
		{"odd", OddName, entry{}},
		{"jörg", "Jörg Example", entry{"mail": {"joerg@corp.example"}, "userPrincipalName": {"joerg@corp.example"}}},
		{"twin", "Twin One", entry{"mail": {"twin1@corp.example"}}},
		{"twin", "Twin Two", entry{"mail": {"twin2@corp.example"}}},
		{"joiner", "Joiner Example", entry{}},
		{"disabled", "Disabled Example", entry{"userAccountControl": {"514"}}},
		// Overlay ppolicy.
		{"expiring", "Expiring Example", entry{"pwdPolicySubentry": {policyDN("aging")}, "pwdChangedTime": changed(27*day - time.Hour)}},
		{"expired", "Expired Example", entry{"pwdPolicySubentry": {policyDN("aging")}, "pwdChangedTime": changed(60 * day)}},
		{"grace", "Grace Example", entry{"pwdPolicySubentry": {policyDN("grace")}, "pwdChangedTime": changed(60 * day)}},
		{"reset", "Reset Example", entry{"pwdReset": {"TRUE"}}},
		{"locked", "Locked Example", entry{"pwdAccountLockedTime": {"000001010000Z"}}},
		// What a domain controller computes, and what is left to the client.
		{"computed", "Computed Example", entry{"msDS-UserPasswordExpiryTimeComputed": {FileTime(now.Add(3*day + time.Hour))}}},
		{"never", "Never Example", entry{"msDS-UserPasswordExpiryTimeComputed": {"9223372036854775807"}}},
		{"counted", "Counted Example", entry{"pwdLastSet": {FileTime(now.Add(5*day + time.Hour - MaxPasswordAge))}}},
		{"keeps", "Keeps Example", entry{"pwdLastSet": {FileTime(now.Add(-90 * day))}, "userAccountControl": {"66048"}}},
		{"overdue", "Overdue Example", entry{"pwdLastSet": {FileTime(now.Add(-90 * day))}}},
		{"fresh", "Fresh Example", entry{"pwdLastSet": {"0"}}},
	}
	for _, code := range codes {
		all = append(all, member{"code" + code, "Code " + code, entry{}})
	}
	return all
}
