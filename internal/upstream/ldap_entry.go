package upstream

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// Active Directory's attributes of accounts.
const (
	attributeControl = "userAccountControl"
	attributeExpiry  = "msDS-UserPasswordExpiryTimeComputed"
	attributeLastSet = "pwdLastSet"
	attributeMaxAge  = "maxPwdAge" // of the domain

	accountDisabled = 0x2     // bits of userAccountControl
	neverExpires    = 0x10000 //
)

// identity reads the entry, after the password was right.
func (d *ldapDirectory) identity(ctx context.Context, p person, username string) (id Identity, err error) {
	if control, ok := number(p.entry, attributeControl); ok && control&accountDisabled != 0 {
		return id, wrong("the account is disabled")
	}
	id.Issuer = d.c.directoryName()
	if id.Subject, err = d.subject(p.entry); err != nil {
		return id, untrusted("entry: %w", err)
	}
	if id.Notices, err = d.notices(p); err != nil {
		return id, err
	}
	groups, err := d.groups(ctx, p, username)
	if err != nil {
		return id, err
	}
	id.Groups = d.mapping.translate(groups)
	err = d.mapping.apply(&id, d.profile(p.entry), true)
	return id, err
}

// subject is what stays when somebody marries or moves: a name or a path in the
// tree doesn't.
func (d *ldapDirectory) subject(e *ldap.Entry) (string, error) {
	raw := e.GetEqualFoldRawAttributeValue(d.c.Subject)
	s := string(raw)
	switch {
	case len(raw) == 16 && strings.EqualFold(d.c.Subject, "objectGUID"):
		s = guid(raw)
	case !utf8.Valid(raw):
		s = hex.EncodeToString(raw)
	}
	return s, checkSubject(s)
}

// guid writes 16 bytes as Windows does: the first three parts backwards.
func guid(b []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x",
		binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}

// profile gives an entry the form in which other providers answer.
func (d *ldapDirectory) profile(e *ldap.Entry) profile {
	p := profile{}
	for _, theirs := range d.c.Claims {
		if text := value(e, theirs); utf8.ValidString(text) && text != "" {
			if quoted, err := json.Marshal(text); err == nil {
				p[theirs] = quoted
			}
		}
	}
	return p
}

const warnBefore = 14 * 24 * time.Hour

// notices tells of a password that ends soon.
func (d *ldapDirectory) notices(p person) ([]Notice, error) {
	left := p.policy.expires
	switch {
	case p.policy.grace >= 0:
		return []Notice{{"Your password has expired. You can sign in {0} more times before you have to change it.", []any{p.policy.grace}}}, nil
	case left < 0:
		var err error
		if left, err = d.activeDirectoryExpiry(p); err != nil {
			return nil, err
		}
	}
	switch days := int(left / (24 * time.Hour)); {
	case left < 0 || left > warnBefore:
		return nil, nil
	case days == 0:
		return []Notice{{Key: "Your password expires today."}}, nil
	default:
		return []Notice{{"Your password expires in {0} days.", []any{days}}}, nil
	}
}

const never = time.Duration(-1)

// activeDirectoryExpiry: the domain controller computes it for every policy
// there is; where it doesn't, the domain's own policy is counted from the day
// of the last change.
func (d *ldapDirectory) activeDirectoryExpiry(p person) (time.Duration, error) {
	control, _ := number(p.entry, attributeControl)
	end, computed := number(p.entry, attributeExpiry)
	if !computed && control&neverExpires == 0 {
		set, known := number(p.entry, attributeLastSet)
		if !known {
			return never, nil
		}
		age, err := d.maxAge(p)
		switch {
		case err != nil:
			return never, err
		case set == 0:
			end, computed = 0, true
		case age < 0:
			end, computed = set-age, true
		}
	}
	switch at := fileTime(end); {
	case !computed, end == noFileTime:
		return never, nil
	case end == 0, !at.After(d.now()):
		return never, &failure{ErrPasswordExpired, errors.New("the password has expired or has to be changed first")}
	default:
		return at.Sub(d.now()), nil
	}
}

// maxAge reads the domain's policy: negative, or zero when there is none.
func (d *ldapDirectory) maxAge(p person) (int64, error) {
	parsed, err := ldap.ParseDN(p.entry.DN)
	if err != nil {
		return 0, nil //nolint:nilerr // no domain to be found in it
	}
	domain := *parsed
	for len(domain.RDNs) > 0 && !strings.EqualFold(domain.RDNs[0].Attributes[0].Type, "dc") {
		domain.RDNs = domain.RDNs[1:]
	}
	if len(domain.RDNs) == 0 {
		return 0, nil
	}
	root, err := p.conn.read(dn(domain.String()), attributeMaxAge)
	if err != nil || root == nil {
		return 0, err
	}
	age, _ := number(root, attributeMaxAge)
	if age == math.MinInt64 { // passwords don't age
		return 0, nil
	}
	return age, nil
}

const noFileTime = math.MaxInt64

// fileTime: Windows counts tenths of microseconds since 1601.
func fileTime(n int64) time.Time {
	const perSecond, epoch = 10_000_000, 11_644_473_600
	return time.Unix(n/perSecond-epoch, n%perSecond*100)
}
