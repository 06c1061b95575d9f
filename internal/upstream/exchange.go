package upstream

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"
)

// errOld: the person can help it by starting again.
func errOld(cause error) error {
	return &Refused{Why: "This sign-in is too old or was used already. Please start again.", Cause: cause}
}

// check: the caller has looked at state already; a mistake there would let one
// person's answer sign another in, so it is looked at again.
func (cb Callback) check(req Request) error {
	switch {
	case req.State == "" || !same(cb.State, req.State):
		return errOld(errors.New("state isn't the one of this sign-in"))
	case cb.Error != "":
		return cb.refusal()
	case cb.Code == "" || len(cb.Code) > 4096:
		return untrusted("the response has neither error nor a code of sensible length")
	}
	return nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// refusal sorts errors of authorization endpoints: RFC 6749 §4.1.2.1, OpenID
// Connect Core §3.1.2.6.
func (cb Callback) refusal() error {
	cause := errors.New("the provider answered " + strconv.Quote(said(cb.Error)))
	switch cb.Error {
	case "access_denied", "user_cancelled_login", "user_cancelled_authorize":
		return &failure{ErrDenied, cause}
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return &failure{ErrInteraction, cause}
	}
	return unavailable(cause)
}

// tokenClient redeems codes. Nothing else becomes an access token here: one
// that comes from outside may have been given to any app (RFC 9700 §4.6, case
// 277).
type tokenClient struct {
	out   *outbound
	c     Config
	url   string
	style oauth2.AuthStyle
}

func (t tokenClient) config(redirectURI string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: t.c.ClientID, ClientSecret: t.c.ClientSecret.reveal(), RedirectURL: redirectURI,
		Endpoint: oauth2.Endpoint{TokenURL: t.url, AuthStyle: t.style},
	}
}

func (t tokenClient) redeem(ctx context.Context, req Request, code string) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &t.out.http)
	var options []oauth2.AuthCodeOption
	if on(t.c.PKCE, true) {
		options = append(options, oauth2.VerifierOption(req.Verifier))
	}
	token, err := t.config(req.RedirectURI).Exchange(ctx, code, options...)
	if err != nil {
		return nil, tokenError(err)
	}
	return token, nil
}

// tokenError: what the library says may quote the whole answer.
func tokenError(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		if strings.HasPrefix(err.Error(), "oauth2: ") {
			return unavailable(errors.New("the token endpoint's answer has no access token that can be read"))
		}
		return unavailable(fmt.Errorf("token endpoint: %w", cause(err)))
	}
	why := fmt.Errorf("token endpoint: %w, error %q", &statusError{answer.Response.StatusCode}, said(answer.ErrorCode))
	if refusesCode(answer) {
		return errOld(why)
	}
	return unavailable(why)
}

// refusesClient: RFC 6749 §5.2, and GitHub's word for it.
func refusesClient(answer *oauth2.RetrieveError) bool {
	return answer.Response.StatusCode == http.StatusUnauthorized ||
		slices.Contains([]string{"invalid_client", "unauthorized_client", "incorrect_client_credentials"}, answer.ErrorCode)
}

// refusesCode: whatever a provider calls it, an answer that finds fault with the
// request and not with us means the code. GitHub says it with status 200.
func refusesCode(answer *oauth2.RetrieveError) bool {
	status := answer.Response.StatusCode
	return !refusesClient(answer) && (status/100 == 4 || status == http.StatusOK && answer.ErrorCode != "") && status != http.StatusTooManyRequests &&
		status != http.StatusNotFound
}

// begin builds the address that the browser is sent to.
func (t tokenClient) begin(authorize string, req Request, more map[string]string) (string, error) {
	if req.State == "" || req.RedirectURI == "" {
		return "", errors.New("a request without state or redirect_uri")
	}
	c := t.config(req.RedirectURI)
	c.Endpoint.AuthURL, c.Scopes = authorize, t.c.Scopes
	var options []oauth2.AuthCodeOption
	if on(t.c.PKCE, true) {
		if len(req.Verifier) < 43 { // RFC 7636 §4.1
			return "", errors.New("a request whose verifier is too short")
		}
		options = append(options, oauth2.S256ChallengeOption(req.Verifier))
	}
	if on(t.c.LoginHint, true) && req.LoginHint != "" {
		more["login_hint"] = req.LoginHint
	}
	prompt := req.Prompt
	if len(prompt) == 0 {
		prompt = t.c.Prompt
	}
	more["prompt"] = strings.Join(prompt, " ")
	for name, value := range more {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	return c.AuthCodeURL(req.State, options...), nil
}
