package upstream

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/valetkey/valetkey/internal/jose"
)

// githubProfile: /user shows the address that a person publishes; the one that
// was confirmed is in a list of its own.
func githubProfile(o *oauth2Client) profileCall {
	return func(ctx context.Context, token string) (profile, error) {
		p, err := o.bearer(ctx, token)
		if err != nil {
			return nil, err
		}
		delete(p, "email")
		if !slices.Contains(o.c.Scopes, "user:email") && !slices.Contains(o.c.Scopes, "user") {
			return p, nil
		}
		a, err := o.out.get(ctx, o.c.EmailsURL, token)
		var status *statusError
		switch {
		case errors.As(err, &status) && (status.status == http.StatusForbidden || status.status == http.StatusNotFound):
			return p, nil // the app may not see addresses
		case err != nil:
			return nil, unavailable(err)
		}
		return p, p.takePrimary(a.body)
	}
}

// takePrimary looks for the primary address. Addresses of GitHub's own that only
// hide another receive no mail from us, but are the person's.
func (p profile) takePrimary(body []byte) error {
	var list []struct {
		Email    string          `json:"email"`
		Primary  bool            `json:"primary"`
		Verified json.RawMessage `json:"verified"`
	}
	if err := jose.DecodeUpTo(maxBody, body, &list); err != nil {
		return untrusted("the list of addresses can't be read")
	}
	for _, e := range list {
		if quoted, err := json.Marshal(e.Email); err == nil && e.Primary {
			p["email"], p["email_verified"] = quoted, e.Verified
			return nil
		}
	}
	return nil
}

const facebookFields = "id,name,first_name,middle_name,last_name,email,picture"

// facebookProfile: Facebook's API takes the token in the query, and with it the
// proof that it is used by the app it was given to.
func facebookProfile(o *oauth2Client) profileCall {
	return func(ctx context.Context, token string) (profile, error) {
		mac := hmac.New(sha256.New, []byte(o.c.ClientSecret.reveal()))
		mac.Write([]byte(token))
		address, err := withQuery(o.c.ProfileURL, map[string]string{
			"fields": facebookFields, "access_token": token, "appsecret_proof": hex.EncodeToString(mac.Sum(nil)),
		})
		if err != nil {
			return nil, err
		}
		return o.fetchProfile(ctx, address, "")
	}
}

func xProfile(o *oauth2Client) profileCall {
	return func(ctx context.Context, token string) (profile, error) {
		address, err := withQuery(o.c.ProfileURL, map[string]string{"user.fields": "profile_image_url"})
		if err != nil {
			return nil, err
		}
		return o.fetchProfile(ctx, address, token)
	}
}
