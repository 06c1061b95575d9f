//go:build unix

package directory

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// What the tests of others take for granted.
func TestDirectory(t *testing.T) {
	d := Start(t)
	c, err := ldap.DialURL(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	bind := func(cn, password string) string {
		if err := c.Bind(DN(cn), password); err != nil {
			return err.Error()
		}
		return "ok"
	}
	for cn, want := range map[string]string{
		"Alice Example": "ok", OddName: "ok", "Jörg Example": "ok", "Disabled Example": "ok",
		"Expired Example": "Invalid Credentials", "Locked Example": "Invalid Credentials", "Nobody": "Invalid Credentials",
	} {
		if got := bind(cn, Password); !strings.Contains(got, want) {
			t.Errorf("%s: %s", cn, got)
		}
	}
	if err := c.Bind("cn=Code 532,"+Codes, Password); err == nil || !strings.Contains(err.Error(), "data 532,") {
		t.Errorf("code 532: %v", err)
	}
	if got := bind("Alice Example", "wrong"); got == "ok" {
		t.Error("a wrong password is taken")
	}
	if err := c.UnauthenticatedBind(DN("Alice Example")); err != nil {
		t.Errorf("a bind without password must succeed here, as it does elsewhere: %v", err)
	}
	if err := c.Bind(BindDN, BindPassword); err != nil {
		t.Fatal(err)
	}
	result, err := c.Search(&ldap.SearchRequest{BaseDN: Base, Scope: ldap.ScopeWholeSubtree, Filter: "(uid=alice)", Attributes: []string{"memberOf", "entryUUID", "userPassword"}})
	if err != nil || len(result.Entries) != 1 {
		t.Fatal(err)
	}
	e := result.Entries[0]
	if len(e.GetAttributeValues("memberOf")) != 5 || e.GetAttributeValue("entryUUID") == "" || e.GetAttributeValue("userPassword") != "" || len(result.Referrals) == 0 {
		t.Errorf("%+v, %v", e.Attributes, result.Referrals)
	}
	d.Set(t, DN("Alice Example"), "mail", "other@corp.example")
}
