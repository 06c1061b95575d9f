package imports

import "strings"

// keycloakClaims are the attributes that Keycloak's own mappers of the scopes
// profile and phone write into claims.
var keycloakClaims = map[string]string{
	"middleName": "middle_name", "nickname": "nickname", "profile": "profile", "picture": "picture", "website": "website",
	"gender": "gender", "birthdate": "birthdate", "zoneinfo": "zoneinfo", "locale": "locale", "phoneNumber": "phone_number",
}

// keycloakAddress are those of the scope address.
var keycloakAddress = map[string]string{
	"street": "street_address", "locality": "locality", "region": "region", "postal_code": "postal_code", "country": "country",
	"formatted": "formatted",
}

// readKeycloak reads a UserRepresentation of a realm's export.
func readKeycloak(r *row, o Options) User {
	u := User{
		Username: r.text("username"), Email: r.text("email"), EmailVerified: r.yes("emailVerified"),
		Disabled: r.has("enabled") && !r.yes("enabled"), CreatedAt: r.millis("createdTimestamp"),
	}
	if r.text("serviceAccountClientId") != "" {
		u.Skip = "the account of a service, not of a person"
		return u
	}
	u.keep(r, o, "id")
	first, last := r.text("firstName"), r.text("lastName")
	u.Name = strings.TrimSpace(first + " " + last)
	u.claim("given_name", first)
	u.claim("family_name", last)
	for _, path := range r.list("groups") {
		u.Groups = append(u.Groups, strings.TrimPrefix(path, "/"))
	}
	keycloakAttributes(r, &u)
	for _, c := range r.children("credentials") {
		keycloakCredential(c, &u)
	}
	for _, c := range r.children("federatedIdentities") {
		u.identity(o, c.text("userName"), c.id("userId"), c.text("identityProvider"))
	}
	keycloakLeft(r, &u)
	return finish(r, u, "credentials")
}

func keycloakAttributes(r *row, u *User) {
	attributes := r.child("attributes")
	if attributes == nil {
		return
	}
	address := map[string]any{}
	for name := range attributes.members {
		switch values := attributes.list(name); {
		case len(values) == 0:
		case len(values) == 1 && keycloakClaims[name] != "":
			u.claim(keycloakClaims[name], values[0])
		case len(values) == 1 && keycloakAddress[name] != "":
			address[keycloakAddress[name]] = values[0]
		case len(values) == 1 && name == "phoneNumberVerified":
			if values[0] == "true" && attributes.has("phoneNumber") {
				u.Claims = withClaim(u.Claims, "phone_number_verified", true)
			}
		default:
			u.left("attribute " + name)
		}
	}
	if len(address) > 0 {
		u.Claims = withClaim(u.Claims, "address", address)
	}
}

func withClaim(claims map[string]any, name string, value any) map[string]any {
	if claims == nil {
		claims = map[string]any{}
	}
	claims[name] = value
	return claims
}

// keycloakLeft names what Keycloak has of people and we don't take.
func keycloakLeft(r *row, u *User) {
	for _, role := range r.list("realmRoles") {
		if !strings.HasPrefix(role, "default-roles-") {
			u.left("realm role " + role)
		}
	}
	for _, action := range r.list("requiredActions") {
		if action == "UPDATE_PASSWORD" {
			u.MustChange = true
			continue
		}
		u.left("required action " + action)
	}
	for name, words := range map[string]string{
		"clientRoles": "roles at clients", "clientConsents": "consents",
		"federationLink": "password in a user federation such as LDAP",
	} {
		if r.filled(name) {
			u.left(words)
		}
	}
}
