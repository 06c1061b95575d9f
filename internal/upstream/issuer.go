package upstream

import (
	"slices"
	"strings"
)

const (
	tenantMark = "{tenantid}" // as Microsoft writes it in its own metadata
	// personal is the tenant of Microsoft's personal accounts.
	personal = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// issuerRule says whose tokens a connector takes. Nearly always that is one
// issuer, byte for byte. Microsoft's multi-tenant endpoints sign for any tenant;
// there the issuer must be the one of the token's own tenant, and people are
// known by that one.
type issuerRule struct {
	want     string // has tenantMark when several is set
	metadata string // where the discovery document is
	several  bool
	tenants  List // nil: any
	personal bool // personal accounts too

	alias string // another spelling of want
}

func newIssuerRule(c Config) issuerRule {
	r := issuerRule{want: c.Issuer, tenants: c.Tenants, personal: c.Tenant == "common"}
	place := c.Tenant
	switch {
	case !strings.Contains(c.Issuer, tenantMark):
	case c.Tenant == "common" || c.Tenant == "organizations":
		r.several = true
	default:
		if c.Tenant == "consumers" {
			place = personal
		}
		r.want = strings.ReplaceAll(c.Issuer, tenantMark, place)
	}
	// OpenID Connect Discovery §4.
	r.metadata = strings.TrimSuffix(strings.ReplaceAll(c.Issuer, tenantMark, place), "/") + "/.well-known/openid-configuration"
	if c.Kind == "google" && c.Issuer == "https://accounts.google.com" {
		r.alias = "accounts.google.com" // its reference page allows it in ID tokens
	}
	return r
}

// accepts: OpenID Connect Core §3.1.3.7 no. 2.
func (r issuerRule) accepts(iss, tenant string) bool {
	if r.several {
		return tenantID.MatchString(tenant) && iss == strings.ReplaceAll(r.want, tenantMark, tenant)
	}
	return iss == r.want || r.alias != "" && iss == r.alias
}

// answers: RFC 9207 §2.4, the iss of an authorization response. For one of
// several tenants' it is compared again with the ID token's.
func (r issuerRule) answers(iss string) bool {
	if !r.several {
		return iss == r.want
	}
	before, after, _ := strings.Cut(r.want, tenantMark)
	return strings.HasPrefix(iss, before) && strings.HasSuffix(iss, after) &&
		tenantID.MatchString(strings.TrimSuffix(strings.TrimPrefix(iss, before), after))
}

// canonical is the one spelling that names people.
func (r issuerRule) canonical(iss string) string {
	if r.several {
		return iss
	}
	return r.want
}

// admits says whether a tenant's people are wanted.
func (r issuerRule) admits(tenant string) bool {
	return !r.several || (r.personal || tenant != personal) && (len(r.tenants) == 0 || slices.Contains(r.tenants, tenant))
}
