package upstream

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-ldap/ldap/v3"
)

var errTooMany = errors.New("more than one entry matches")

// search gives at most limit entries, with errTooMany if there are more. Referrals and
// references are never followed: they'd take a password to a server of somebody
// else's choice.
func (c *conn) search(base dn, scope int, f filter, limit int, attributes ...string) ([]*ldap.Entry, error) {
	result, err := c.Search(&ldap.SearchRequest{
		BaseDN: string(base), Scope: scope, DerefAliases: ldap.NeverDerefAliases, SizeLimit: limit, EnforceSizeLimit: true,
		TimeLimit: int(stepTime.Seconds()), Filter: f.text, Attributes: attributes,
	})
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return nil, nil
	case errors.Is(err, ldap.ErrSizeLimitExceeded), ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return result.Entries, errTooMany
	case err != nil:
		return nil, fmt.Errorf("search below %q: %w", said(string(base)), ldapCause(err))
	}
	return result.Entries, nil
}

// read gets one entry by its name, or nil.
func (c *conn) read(name dn, attributes ...string) (*ldap.Entry, error) {
	found, err := c.search(name, ldap.ScopeBaseObject, everything, 1, attributes...)
	if err != nil || len(found) != 1 {
		return nil, err
	}
	return found[0], nil
}

// value is an attribute's first value; names are compared without case (RFC
// 4512 §2.5).
func value(e *ldap.Entry, attribute string) string { return e.GetEqualFoldAttributeValue(attribute) }

// number reads one of Active Directory's 64-bit integers.
func number(e *ldap.Entry, attribute string) (n int64, ok bool) {
	n, err := strconv.ParseInt(value(e, attribute), 10, 64)
	return n, err == nil
}
