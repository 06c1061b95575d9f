package upstream

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// policy is what a server said of a password while it took it.
type policy struct {
	expires time.Duration // until it has to be changed; negative: not said
	grace   int64         // sign-ins left with an expired one; negative: not said
}

// bind proves a password (RFC 4513 §5.1.3). An empty one, and an empty name,
// would make it anonymous or unauthenticated, which servers call a success
// (§5.1.1, §5.1.2): neither leaves this function.
func (c *conn) bind(who dn, password string) (p policy, err error) {
	p = policy{expires: -1, grace: -1}
	if who == "" || password == "" {
		return p, wrong("a bind without name or password isn't tried")
	}
	request := ldap.NewSimpleBindRequest(string(who), password, []ldap.Control{ldap.NewControlBeheraPasswordPolicy()})
	result, err := c.SimpleBind(request)
	control, _ := findPolicy(result)
	if err != nil {
		return p, bindError(err, control)
	}
	if control == nil {
		return p, nil
	}
	if control.Error == policyChangeAfterReset {
		return p, &failure{ErrPasswordExpired, errors.New("the password was reset and has to be changed")}
	}
	if control.Expire >= 0 {
		p.expires = time.Duration(control.Expire) * time.Second
	}
	p.grace = control.Grace
	return p, nil
}

func findPolicy(result *ldap.SimpleBindResult) (*ldap.ControlBeheraPasswordPolicy, bool) {
	if result == nil {
		return nil, false
	}
	control, ok := ldap.FindControl(result.Controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy)
	return control, ok
}

// Errors of the password policy control: draft-behera-ldap-password-policy §6.2.
const (
	policyExpired          = 0
	policyLocked           = 1
	policyChangeAfterReset = 2
)

// activeDirectory finds the reason in what Active Directory writes beside
// invalidCredentials: "… AcceptSecurityContext error, data 532, …".
var activeDirectory = regexp.MustCompile(`\bdata ([0-9a-f]{3}), `)

// reasons are Windows' error numbers in hexadecimal. Those with expired set
// come only after a right password, so that saying so tells nothing to a
// stranger; the others may not.
var reasons = map[string]struct {
	text    string
	expired bool
}{
	"525": {"no such user", false},
	"52e": {"wrong password", false},
	"530": {"not at this hour", false},
	"531": {"not from this computer", false},
	"532": {"the password has expired", true},
	"533": {"the account is disabled", false},
	"701": {"the account has expired", false},
	"773": {"the password has to be changed first", true},
	"775": {"the account is locked", false},
}

// bindError sorts a refused bind into what the person may know.
func bindError(err error, control *ldap.ControlBeheraPasswordPolicy) error {
	result := ldapCause(err)
	if found := activeDirectory.FindStringSubmatch(err.Error()); found != nil {
		if reason, ok := reasons[found[1]]; ok && reason.expired {
			return &failure{ErrPasswordExpired, fmt.Errorf("%s: %w", reason.text, result)}
		} else if ok {
			return wrong("%s: %w", reason.text, result)
		}
	}
	switch {
	case control != nil && control.Error == policyExpired:
		return &failure{ErrPasswordExpired, fmt.Errorf("the password has expired: %w", result)}
	case control != nil && control.Error == policyLocked:
		return wrong("the account is locked: %w", result)
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax,
		ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultConstraintViolation): // locked or inactive, with some servers
		return wrong("bind: %w", result)
	}
	return unavailable(fmt.Errorf("bind: %w", result))
}
