package upstreams

import (
	"net/http"
	"testing"
)

// Tenants of Microsoft's.
const (
	Tenant         = "11111111-2222-4333-8444-555555555555" // where a person has no tid
	OtherTenant    = "66666666-7777-4888-9999-aaaaaaaaaaaa"
	PersonalTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// Microsoft is login.microsoftonline.com. A person's tenant is Claims["tid"].
// Its issuer is URL + "/{tenantid}/v2.0".
func Microsoft(t testing.TB, o Options) *Provider {
	t.Helper()
	d := dialect{
		title: "Microsoft", basic: true, post: true, refuse: refuse,
		authorize: "/{tenant}/oauth2/v2.0/authorize", token: "/{tenant}/oauth2/v2.0/token",
		denied: map[string][]string{"error_subcode": {"cancel"}},
		answer: answerMicrosoft,
	}
	return start(t, o, d, func(p *Provider) {
		p.mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
			named := r.PathValue("tenant")
			base, tenant := p.URL+"/"+named, named
			switch named {
			case "common", "organizations":
				tenant = "{tenantid}"
			case "consumers":
				tenant = PersonalTenant
			}
			p.sendMetadata(w, map[string]any{
				"issuer": p.URL + "/" + tenant + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
				"jwks_uri": base + "/discovery/v2.0/keys", "userinfo_endpoint": p.URL + "/oidc/userinfo", "end_session_endpoint": base + "/oauth2/v2.0/logout",
				"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
			})
		})
		p.mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", func(w http.ResponseWriter, _ *http.Request) { send(w, http.StatusOK, p.jwks()) })
		p.mux.HandleFunc("GET /{tenant}/oauth2/v2.0/logout", p.logout)
		p.mux.HandleFunc("GET /oidc/userinfo", p.userInfo)
	})
}

// MarkKeys says whose tokens the keys sign, as Microsoft's key sets do.
func (p *Provider) MarkKeys(issuer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.keys {
		p.keys[i].issuer = issuer
	}
}

// answerMicrosoft: no email_verified and no picture, ever.
func answerMicrosoft(p *Provider, w http.ResponseWriter, _ *http.Request, g grant) {
	tenant, _ := g.person.Claims["tid"].(string)
	if tenant == "" {
		tenant = Tenant
	}
	p.answerOIDC(w, g, p.URL+"/"+tenant+"/v2.0", map[string]any{
		"tid": tenant, "oid": "00000000-0000-0000-0000-" + g.person.Subject, "ver": "2.0", "email_verified": Absent, "picture": Absent, "sid": Absent,
		"preferred_username": g.person.Email, "at_hash": Absent,
	})
}
