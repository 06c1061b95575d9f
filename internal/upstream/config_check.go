package upstream

import (
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

var (
	connectorName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	tenantID      = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	domainName    = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// Check tells what is wrong with a connector before anything is asked of its
// provider. The error is a *FieldError.
func (c Config) Check() error {
	if found := c.check(); found != nil {
		return found
	}
	return nil
}

func (c Config) check() *FieldError {
	kind, ok := presets[c.Kind]
	switch {
	case !connectorName.MatchString(c.Name):
		return &FieldError{"name", "a connector's name has small letters, digits, - and _, at most 64"}
	case !ok:
		return &FieldError{"kind", "must be one of " + kinds()}
	}
	if found := c.checkMeaning(kind.family); found != nil {
		return found
	}
	full := c.resolved()
	checks := map[string][]func() *FieldError{
		familyOIDC:   {full.checkClient, full.checkOIDC, full.checkTenant},
		familyOAuth2: {full.checkClient, c.checkOverride, full.checkOAuth2},
		familyLDAP:   {full.checkServers, full.checkBind, full.checkFilters},
	}
	for _, check := range append(checks[kind.family], full.checkMapping) {
		if found := check(); found != nil {
			return found
		}
	}
	return nil
}

// checkMeaning: a key that does nothing is one that somebody relies on in vain.
func (c Config) checkMeaning(family string) *FieldError {
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		kinds := strings.Fields(tag.Get("for"))
		if len(kinds) > 0 && !v.Field(i).IsZero() && !slices.Contains(kinds, family) && !slices.Contains(kinds, c.Kind) {
			return &FieldError{tag.Get("yaml"), "means nothing for kind " + c.Kind + "; take it out"}
		}
	}
	return nil
}

func (c Config) checkClient() *FieldError {
	none := c.ClientSecret == "" && c.SecretFile == ""
	switch {
	case c.ClientID == "":
		return &FieldError{"client_id", "is missing: what the provider gave us when we were registered there"}
	case c.ClientSecret != "" && c.SecretFile != "":
		return &FieldError{"client_secret_file", "and client_secret exclude each other"}
	case none && presets[c.Kind].secret:
		return &FieldError{"client_secret", "or client_secret_file is missing: this provider always gives one"}
	case none && !on(c.PKCE, true):
		return &FieldError{"pkce", "can't be false without a client_secret: codes would be anybody's"}
	case !slices.Contains([]string{"", "basic", "post"}, c.TokenAuth):
		return &FieldError{"token_auth", "must be basic or post"}
	}
	return nil
}

func (c Config) checkOIDC() *FieldError {
	switch {
	case c.Issuer == "":
		return &FieldError{"issuer", "is missing: the provider's https URL, without /.well-known"}
	case !webAddress(strings.ReplaceAll(c.Issuer, tenantMark, "common")), strings.Contains(c.Issuer, "?"):
		return &FieldError{"issuer", "must be an https URL without query, as the provider itself writes it"}
	case strings.Contains(c.Issuer, ".well-known"):
		return &FieldError{"issuer", "ends before /.well-known"}
	case slices.Contains(slices.Collect(maps.Values(c.ACRValues)), ""):
		return &FieldError{"acr_values", "maps our acr values to the provider's; one of them is empty"}
	case strings.Contains(c.Issuer, tenantMark) && c.Kind != "microsoft":
		return &FieldError{"issuer", tenantMark + " is for kind microsoft"}
	}
	return nil
}

func (c Config) checkTenant() *FieldError {
	if c.Kind != "microsoft" || !strings.Contains(c.Issuer, tenantMark) {
		return nil
	}
	several := c.Tenant == "common" || c.Tenant == "organizations"
	bad := slices.IndexFunc(c.Tenants, func(t string) bool { return !tenantID.MatchString(t) })
	switch {
	case !several && c.Tenant != "consumers" && !tenantID.MatchString(c.Tenant):
		return &FieldError{"tenant", "must be the directory's id (a GUID in small letters), organizations, consumers or common"}
	case len(c.Tenants) > 0 && !several:
		return &FieldError{"allowed_tenants", "goes with tenant common or organizations"}
	case bad >= 0:
		return &FieldError{"allowed_tenants", "takes ids of directories (GUIDs in small letters)"}
	}
	return nil
}

// checkOverride: the same subject at another address is another person, so what
// names them must change with the address.
func (c Config) checkOverride() *FieldError {
	moved := c.AuthorizeURL + c.TokenURL + c.ProfileURL + c.EmailsURL
	if c.Issuer == "" && (moved != "" || presets[c.Kind].own) {
		return &FieldError{"issuer", "is missing: an https URL that stays the same for ever; with the subject it names a person"}
	}
	return nil
}

func (c Config) checkOAuth2() *FieldError {
	if !webAddress(c.Issuer) {
		return &FieldError{"issuer", "must be an https URL"}
	}
	for _, f := range []struct{ key, value string }{
		{"authorize_url", c.AuthorizeURL}, {"token_url", c.TokenURL}, {"profile_url", c.ProfileURL},
	} {
		if !webAddress(f.value) {
			return &FieldError{f.key, "must be an https URL"}
		}
	}
	if c.EmailsURL != "" && !webAddress(c.EmailsURL) {
		return &FieldError{"emails_url", "must be an https URL"}
	}
	return nil
}

func (c Config) checkMapping() *FieldError {
	for name := range c.Claims {
		if standard[name] == nil {
			return &FieldError{"claims", "maps our standard claims to the provider's names; " + name + " isn't one of ours"}
		}
	}
	for _, list := range []struct {
		key   string
		names List
	}{{"domains", c.Domains}, {"allowed_domains", c.AllowedDomains}, {"hosted_domain", c.HostedDomain}} {
		if slices.ContainsFunc(list.names, func(d string) bool { return !domainName.MatchString(d) }) {
			return &FieldError{list.key, "takes domains such as example.com, in small letters"}
		}
	}
	if len(c.AllowedDomains) > 0 && !on(c.TrustEmail, false) {
		return &FieldError{"allowed_domains", "needs trust_email: true; an address that nobody vouches for may be anybody's"}
	}
	return nil
}

// webAddress: https, or http on this machine.
func webAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (guard{loopback: true}).url(u) == nil
}
