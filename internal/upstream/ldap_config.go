package upstream

import (
	"net/url"
	"regexp"

	"github.com/go-ldap/ldap/v3"
)

const (
	holeUser = "{username}"
	holeDN   = "{dn}"

	maxDepth = 10 // levels of groups
)

// attributeName: RFC 4512 §2.5, a descriptor or an OID.
var attributeName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)$`)

// directoryName is what names a directory's people beside their subject.
func (c Config) directoryName() string {
	if c.Issuer != "" {
		return c.Issuer
	}
	return "ldap:" + dn(c.Base).normal()
}

func (c Config) checkServers() *FieldError {
	if len(c.URL) == 0 {
		return &FieldError{"url", "is missing: ldaps://host, or ldap://host for StartTLS; several are tried in order"}
	}
	for _, address := range c.URL {
		u, err := url.Parse(address)
		switch {
		case err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil,
			u.Scheme != "ldap" && u.Scheme != "ldaps":
			return &FieldError{"url", "must be ldaps://host, ldap://host, or with a port"}
		case !on(c.StartTLS, true) && u.Scheme == "ldap" && !isLoopback(u.Hostname()):
			return &FieldError{"start_tls", "can't be false but on this machine: passwords would go in clear"}
		}
	}
	if _, err := ldap.ParseDN(c.Base); c.Base == "" || err != nil {
		return &FieldError{"base", "must be a distinguished name, such as dc=example,dc=com"}
	}
	if _, err := ldap.ParseDN(c.GroupBase); err != nil {
		return &FieldError{"group_base", "must be a distinguished name"}
	}
	return nil
}

func (c Config) checkBind() *FieldError {
	password := c.BindPassword != "" || c.BindPasswordFile != ""
	switch {
	case c.UserDN != "" && c.BindDN != "":
		return &FieldError{"user_dn", "and bind_dn exclude each other: with user_dn people bind as themselves"}
	case c.BindDN == "" && password:
		return &FieldError{"bind_dn", "is missing: whose password bind_password is"}
	case c.BindDN != "" && !password:
		return &FieldError{"bind_password", "or bind_password_file is missing; a bind without it would be anonymous"}
	case c.BindPassword != "" && c.BindPasswordFile != "":
		return &FieldError{"bind_password_file", "and bind_password exclude each other"}
	}
	return nil
}

func (c Config) checkFilters() *FieldError {
	probe := map[string]string{holeUser: "x", holeDN: "cn=x"}
	if err := template(c.UserFilter).check("(", holeUser); err != nil {
		return &FieldError{"user_filter", err.Error()}
	}
	if _, err := ldap.CompileFilter(template(c.UserFilter).filter(probe).text); err != nil {
		return &FieldError{"user_filter", "isn't a filter as RFC 4515 writes it, such as (uid={username})"}
	}
	if c.GroupFilter != "" {
		if err := template(c.GroupFilter).check("(", holeDN, holeUser); err != nil {
			return &FieldError{"group_filter", err.Error()}
		}
		if _, err := ldap.CompileFilter(template(c.GroupFilter).filter(probe).text); err != nil {
			return &FieldError{"group_filter", "isn't a filter as RFC 4515 writes it, such as (member={dn})"}
		}
	}
	if c.UserDN != "" {
		if err := template(c.UserDN).check(",+", holeUser); err != nil {
			return &FieldError{"user_dn", err.Error()}
		}
		if _, err := ldap.ParseDN(string(template(c.UserDN).dn(probe))); err != nil {
			return &FieldError{"user_dn", "isn't a distinguished name, such as uid={username},ou=People,dc=example,dc=com"}
		}
	}
	return c.checkAttributes()
}

func (c Config) checkAttributes() *FieldError {
	for _, f := range []struct{ key, name string }{{"subject", c.Subject}, {"group_name", c.GroupName}} {
		if !attributeName.MatchString(f.name) {
			return &FieldError{f.key, "must be an attribute's name"}
		}
	}
	for _, name := range c.Claims {
		if !attributeName.MatchString(name) {
			return &FieldError{"claims", "maps to names of attributes; " + name + " isn't one"}
		}
	}
	if c.GroupDepth != nil && (*c.GroupDepth < 0 || *c.GroupDepth > maxDepth) {
		return &FieldError{"group_depth", "must be a number from 0 (no groups) to 10"}
	}
	return nil
}
