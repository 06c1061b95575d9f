package upstream

import (
	"context"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// sampleName is a username that nobody has.
const sampleName = "connector-test-8d1f6a"

// test goes through every server, and asks the first that answers.
func (d *ldapDirectory) test(ctx context.Context) (steps []Check) {
	ctx, cancel := context.WithTimeout(ctx, d.whole)
	defer cancel()
	for _, s := range d.servers {
		c, err := d.open(ctx, s)
		how := "TLS"
		switch {
		case s.bare:
			how = "no TLS, on this machine"
		case s.url.Scheme == "ldap":
			how = "StartTLS"
		}
		steps = append(steps, step("connect", s.url.String()+" with "+how, err, "connected", "look at url, and whether the server speaks "+how))
		if err == nil {
			c.close()
		}
	}
	c, err := d.connect(ctx)
	if err != nil || d.c.UserDN != "" {
		return steps // with user_dn there is nobody to ask as
	}
	defer c.close()
	return append(steps, d.testSearch(c)...)
}

func (d *ldapDirectory) testSearch(c *conn) (steps []Check) {
	if d.c.BindDN != "" {
		_, err := c.bind(dn(d.c.BindDN), d.c.BindPassword.reveal())
		if err != nil {
			err = Cause(err)
		}
		steps = append(steps, step("bind", "as "+d.c.BindDN, err, "bound", "look at bind_dn and bind_password"))
		if err != nil {
			return steps
		}
	}
	root, err := c.read(dn(d.c.Base), "objectClass")
	if err == nil && root == nil {
		err = fmt.Errorf("there is no entry %s, or it may not be read", d.c.Base)
	}
	steps = append(steps, step("base", "reading "+d.c.Base, err, "found", "look at base, and at what bind_dn may read"))
	if err != nil {
		return steps
	}
	f := template(d.c.UserFilter).filter(map[string]string{holeUser: sampleName})
	found, err := c.search(dn(d.c.Base), ldap.ScopeWholeSubtree, f, 2, d.c.Subject)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%s finds somebody, though nobody has that name", f.text)
	}
	return append(steps, step("search", f.text+" below "+d.c.Base, err, "understood; nobody found, as it should be", "look at user_filter"))
}
