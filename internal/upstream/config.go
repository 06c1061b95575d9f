package upstream

// Config is one entry of the configuration's connectors. A key without "for"
// is for every kind; the others are refused where they'd mean nothing.
type Config struct {
	Name    string `yaml:"-"` // the entry's key: it stands in the callback's URL, and in the records of linked accounts
	Kind    string `yaml:"kind"`
	Title   string `yaml:"title"` // on the button
	Order   int    `yaml:"order"`
	Enabled *bool  `yaml:"enabled"` // true when absent

	Domains    List  `yaml:"domains"`     // who writes an address of these is sent here (home realm)
	ACR        List  `yaml:"acr"`         // acr_values that lead here
	AutoCreate *bool `yaml:"auto_create"` // for the caller

	// Issuer: an OpenID Connect issuer; else the name that, with the subject,
	// names a person. {tenantid} stands for Microsoft's tenant.
	Issuer       string `yaml:"issuer"`
	AllowPrivate bool   `yaml:"allow_private"` // may dial private addresses
	CAFile       string `yaml:"ca_file"`       // the only authorities that count, in PEM
	ClientID     string `yaml:"client_id" for:"oidc oauth2"`
	ClientSecret Secret `yaml:"client_secret" for:"oidc oauth2"`
	SecretFile   string `yaml:"client_secret_file" for:"oidc oauth2"`
	TokenAuth    string `yaml:"token_auth" for:"oidc oauth2"` // basic or post
	PKCE         *bool  `yaml:"pkce" for:"oidc oauth2"`       // true when absent
	Scopes       List   `yaml:"scopes" for:"oidc oauth2"`
	Prompt       List   `yaml:"prompt" for:"oidc oauth2"` // sent unless the request has its own
	LoginHint    *bool  `yaml:"login_hint" for:"oidc oauth2"`
	UserInfo     *bool  `yaml:"userinfo" for:"oidc"` // ask always, never, or (absent) when something is missing
	HostedDomain List   `yaml:"hosted_domain" for:"google"`
	Tenant       string `yaml:"tenant" for:"microsoft"`
	Tenants      List   `yaml:"allowed_tenants" for:"microsoft"`
	AuthorizeURL string `yaml:"authorize_url" for:"oauth2"`
	TokenURL     string `yaml:"token_url" for:"oauth2"`
	ProfileURL   string `yaml:"profile_url" for:"oauth2"`
	EmailsURL    string `yaml:"emails_url" for:"github"`
	Subject      string `yaml:"subject" for:"oauth2 ldap"` // path or attribute

	// Claims: our standard claim to the provider's claim, path or attribute.
	Claims         map[string]string `yaml:"claims"`
	GroupsClaim    string            `yaml:"groups_claim" for:"oidc oauth2"`
	Groups         map[string]string `yaml:"groups"` // theirs to ours; others are dropped
	TrustEmail     *bool             `yaml:"trust_email"`
	ACRValues      map[string]string `yaml:"acr_values" for:"oidc"` // ours to theirs; others aren't asked for
	TrustACR       bool              `yaml:"trust_acr" for:"oidc"`
	AllowedDomains List              `yaml:"allowed_domains"` // of verified addresses

	URL              List   `yaml:"url" for:"ldap"` // in order of preference
	StartTLS         *bool  `yaml:"start_tls" for:"ldap"`
	BindDN           string `yaml:"bind_dn" for:"ldap"`
	BindPassword     Secret `yaml:"bind_password" for:"ldap"`
	BindPasswordFile string `yaml:"bind_password_file" for:"ldap"`
	Base             string `yaml:"base" for:"ldap"`
	UserFilter       string `yaml:"user_filter" for:"ldap"` // with {username}
	UserDN           string `yaml:"user_dn" for:"ldap"`     // with {username}, instead of a search
	GroupBase        string `yaml:"group_base" for:"ldap"`
	GroupFilter      string `yaml:"group_filter" for:"ldap"` // with {dn} or {username}
	GroupName        string `yaml:"group_name" for:"ldap"`
	GroupDepth       *int   `yaml:"group_depth" for:"ldap"` // 0: no groups
}

// enabled: a connector that was switched off isn't there, for sign-ins under
// way as well (case 270).
func (c Config) enabled() bool { return c.Enabled == nil || *c.Enabled }

// on reads a switch that may be absent.
func on(set *bool, absent bool) bool {
	if set == nil {
		return absent
	}
	return *set
}
