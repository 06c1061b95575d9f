package login

import (
	"fmt"
	"slices"

	"github.com/valetkey/valetkey/oauth"
)

// take judges further claims and sorts those with a column of their own into
// it: OpenID Connect Core §5.1 says which are strings, booleans and objects.
func (u *User) take(claims oauth.Claims) error {
	u.Claims = make(oauth.Claims, len(claims))
	for name, value := range claims {
		if err := checkClaim(name, value); err != nil {
			return err
		}
		switch name {
		case "email_verified":
			u.EmailVerified = value == true
		case "email":
			u.Email = value.(string)
		case "name":
			u.Name = value.(string)
		case "preferred_username", "updated_at":
		default:
			u.Claims[name] = value
		}
	}
	return checkEmail(u.Email)
}

func checkClaim(name string, value any) error {
	if !slices.Contains(oauth.StandardClaims(), name) {
		return &Invalid{Field: "claims", Why: fmt.Sprintf("%q is not a standard claim; they are %v.", name, oauth.StandardClaims())}
	}
	ok := false
	switch name {
	case "email_verified", "phone_number_verified":
		_, ok = value.(bool)
	case "address":
		_, ok = value.(map[string]any)
	case "updated_at":
		ok = true
	default:
		_, ok = value.(string)
	}
	if !ok {
		return &Invalid{Field: "claims", Why: fmt.Sprintf("%q has a value of the wrong type.", name)}
	}
	return nil
}
