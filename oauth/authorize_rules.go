package oauth

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/valetkey/valetkey/internal/jose"
)

// rule judges one matter of an authorization request and notes what it read.
type rule func(ctx context.Context, s *Server, c *Client, req Request, into *AuthorizationRequest) *Error

// authorizationRules, in this order. The first refusal is the answer.
var authorizationRules = []rule{
	ruleOnce, ruleState, ruleRegistration, ruleProfile, ruleResponseType, ruleResponseMode, ruleGrant, ruleScope, ruleResource,
	rulePKCE, ruleDPoP, ruleNonce, rulePrompt, ruleMaxAge, ruleHints, ruleIDTokenHint, ruleClaims, ruleLocales,
}

func (s *Server) authorizationRules(ctx context.Context, c *Client, req Request, into *AuthorizationRequest) *Error {
	for _, judge := range authorizationRules {
		if err := judge(ctx, s, c, req, into); err != nil {
			return err
		}
	}
	return nil
}

// trustedState is what an error response may carry before the rules ran.
func trustedState(req Request) string {
	if state := req.Get("state"); !req.twice("state") && len(state) <= maxState {
		return state
	}
	return ""
}

func trustedMode(req Request) string {
	mode := req.Get("response_mode")
	switch {
	case req.twice("response_mode"), !slices.Contains(responseModes, mode):
		return "query"
	case mode == "jwt": // JARM §2.3.4: query.jwt for a code
		return "query.jwt"
	}
	return mode
}

// ruleOnce: RFC 6749 §3.1, parameters must not be included more than once.
func ruleOnce(_ context.Context, _ *Server, _ *Client, req Request, _ *AuthorizationRequest) *Error {
	if name := req.repeated(); name != "" {
		return invalidRequest("%s was sent more than once", printable(name)).about(printable(name))
	}
	return nil
}

// ruleState caps what we carry for the client.
func ruleState(_ context.Context, _ *Server, _ *Client, req Request, _ *AuthorizationRequest) *Error {
	if len(req.Get("state")) > maxState {
		return invalidRequest("state is longer than %d characters", maxState).about("state")
	}
	return nil
}

// ruleRegistration: OpenID Connect Core §7.2.1 belongs to self-issued providers.
func ruleRegistration(_ context.Context, _ *Server, _ *Client, req Request, _ *AuthorizationRequest) *Error {
	if req.Get("registration") != "" {
		return newError(CodeRegistrationUnsupported, "registration is not supported").about("registration")
	}
	return nil
}

// ruleProfile: how a request must come, as the client registered (RFC 9126 §6,
// RFC 9101 §10.5) or its profile says (FAPI 2.0 Security Profile §5.3.2.2).
func ruleProfile(_ context.Context, _ *Server, c *Client, _ Request, into *AuthorizationRequest) *Error {
	switch {
	case !into.pushed && c.Profile == ProfileFAPI2:
		return invalidRequest("profile fapi2 takes pushed authorization requests only; send it to /par first").about("request_uri")
	case !into.pushed && c.RequirePushed:
		return invalidRequest("this app registered to push its authorization requests; send it to /par first").about("request_uri")
	case !into.signed && c.RequireSignedRequest:
		return invalidRequest("this app registered to sign its authorization requests; send a request object").about("request")
	}
	return nil
}

// ruleResponseType: RFC 6749 §3.1.1. Only code; RFC 9700 §2.1.2 retires the rest.
func ruleResponseType(_ context.Context, _ *Server, _ *Client, req Request, _ *AuthorizationRequest) *Error {
	switch req.Get("response_type") {
	case "code":
		return nil
	case "":
		return invalidRequest("response_type is missing; it must be code").about("response_type")
	default:
		return newError(CodeUnsupportedResponseType, "response_type must be code").about("response_type")
	}
}

// ruleResponseMode: OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode.
func ruleResponseMode(_ context.Context, _ *Server, _ *Client, req Request, into *AuthorizationRequest) *Error {
	mode := req.Get("response_mode")
	if mode != "" && !slices.Contains(responseModes, mode) {
		return invalidRequest("response_mode must be %s", strings.Join(responseModes, " or ")).about("response_mode")
	}
	if strings.HasPrefix(mode, "form_post") && !strings.HasPrefix(into.RedirectURI, "http") {
		into.ResponseMode = "query"
		return invalidRequest("response_mode form_post needs an https redirect_uri").about("response_mode")
	}
	return nil
}

// ruleGrant: RFC 6749 §4.1.2.1, unauthorized_client.
func ruleGrant(_ context.Context, _ *Server, c *Client, _ Request, _ *AuthorizationRequest) *Error {
	if !c.mayUse(GrantAuthorizationCode) {
		return newError(CodeUnauthorizedClient, "this app is not registered for the authorization code grant").about("client_id")
	}
	return nil
}

// ruleScope: RFC 6749 §3.3. Unknown or unregistered is refused, never quietly
// dropped; asking for none is granted none.
func ruleScope(ctx context.Context, s *Server, c *Client, req Request, into *AuthorizationRequest) *Error {
	names, err := parseScope(req.Get("scope"))
	if err != nil {
		return err
	}
	catalog, fault := s.Store.Catalog(ctx)
	if fault != nil {
		return AsError(fault)
	}
	for _, name := range names {
		if !c.mayAsk(name, catalog) {
			s.problem(ctx, c, invalidScope("scope %s is not registered for this app", printable(name)), name, c.askable(catalog))
			return invalidScope("scope %s is not registered for this app", printable(name)).noted()
		}
	}
	into.Scopes = names
	return nil
}

// ruleResource: RFC 8707 §2.
func ruleResource(ctx context.Context, s *Server, _ *Client, req Request, into *AuthorizationRequest) *Error {
	resources, err := s.knownResources(ctx, req)
	into.Resources = resources
	return err
}

// knownResources reads the resource parameters; each must be declared.
func (s *Server) knownResources(ctx context.Context, req Request) ([]string, *Error) {
	asked := req.All("resource")
	if len(asked) == 0 {
		return nil, nil
	}
	catalog, fault := s.Store.Catalog(ctx)
	if fault != nil {
		return nil, AsError(fault)
	}
	for _, url := range asked {
		if _, ok := catalog.Resources[url]; !ok {
			return nil, newError(CodeInvalidTarget, "resource %s is not known here", printable(url)).about("resource")
		}
	}
	return asked, nil
}

// rulePKCE: RFC 7636 §4.3, RFC 9700 §2.1.1; plain is never accepted.
func rulePKCE(_ context.Context, _ *Server, c *Client, req Request, into *AuthorizationRequest) *Error {
	challenge, method := req.Get("code_challenge"), req.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && !c.needsPKCE():
		return nil
	case challenge == "":
		return invalidRequest("code_challenge is missing; this app must use PKCE with S256").about("code_challenge")
	case method != "S256":
		return invalidRequest("code_challenge_method must be S256").about("code_challenge_method")
	case !validChallenge(challenge):
		return invalidRequest("code_challenge must be a SHA-256 in base64url, 43 characters").about("code_challenge")
	}
	into.Challenge = challenge
	return nil
}

// ruleDPoP: RFC 9449 §10, the key that the code will be bound to.
func ruleDPoP(_ context.Context, _ *Server, _ *Client, req Request, into *AuthorizationRequest) *Error {
	if into.JKT = req.Get("dpop_jkt"); into.JKT != "" && !validChallenge(into.JKT) {
		return invalidRequest("dpop_jkt must be a SHA-256 thumbprint in base64url, 43 characters").about("dpop_jkt")
	}
	return nil
}

// ruleNonce: OpenID Connect Core §3.1.2.1.
func ruleNonce(_ context.Context, _ *Server, _ *Client, req Request, into *AuthorizationRequest) *Error {
	if into.Nonce = req.Get("nonce"); len(into.Nonce) > 1024 {
		return invalidRequest("nonce is longer than 1024 characters").about("nonce")
	}
	return nil
}

// rulePrompt: OpenID Connect Core §3.1.2.1; none stands alone.
func rulePrompt(_ context.Context, s *Server, _ *Client, req Request, into *AuthorizationRequest) *Error {
	values, err := parseScope(req.Get("prompt"))
	if err != nil {
		return invalidRequest("prompt is a list of words separated by single spaces").about("prompt")
	}
	for _, v := range values {
		switch {
		case !slices.Contains(prompts, v) || v == "create" && !s.Signup:
			return invalidRequest("prompt %s is not supported", printable(v)).about("prompt")
		case v == "none" && len(values) > 1:
			return invalidRequest("prompt none can't stand beside others").about("prompt")
		}
	}
	into.Prompt = values
	return nil
}

// ruleMaxAge: OpenID Connect Core §3.1.2.1, seconds; Registration §2 gives a default.
func ruleMaxAge(_ context.Context, _ *Server, c *Client, req Request, into *AuthorizationRequest) *Error {
	into.MaxAge = c.DefaultMaxAge
	sent := req.Get("max_age")
	if sent == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(sent, 10, 31)
	if err != nil {
		return invalidRequest("max_age is a number of seconds").about("max_age")
	}
	age := int(seconds)
	into.MaxAge = &age
	return nil
}

// ruleHints: OpenID Connect Core §3.1.2.1. Hints are cut, never refused.
func ruleHints(_ context.Context, _ *Server, c *Client, req Request, into *AuthorizationRequest) *Error {
	into.LoginHint = cut(req.Get("login_hint"), 256)
	into.ProviderHint = cut(req.Get("idp_hint"), 64)
	if into.ACRValues = firstWords(req.Get("acr_values"), 10); len(into.ACRValues) == 0 {
		into.ACRValues = c.DefaultACRValues // OpenID Connect Registration §2
	}
	return nil
}

// ruleIDTokenHint: OpenID Connect Core §3.1.2.1. The hint may have expired;
// it must be ours.
func ruleIDTokenHint(ctx context.Context, s *Server, c *Client, req Request, into *AuthorizationRequest) *Error {
	hint := req.Get("id_token_hint")
	if hint == "" {
		return nil
	}
	claims, err := s.openIDTokenHint(ctx, hint)
	if err != nil || !slices.Contains(claims.Audience, c.ID) {
		return invalidRequest("id_token_hint is not an ID token that this server issued to this app").about("id_token_hint").because(err)
	}
	into.HintSubject = claims.Subject
	return nil
}

// ruleClaims: OpenID Connect Core §5.5. Unknown members are ignored, and so are
// claims whose scope the app may not ask for: the parameter is no way around
// its registration.
func ruleClaims(ctx context.Context, s *Server, c *Client, req Request, into *AuthorizationRequest) *Error {
	text := req.Get("claims")
	if text == "" {
		return nil
	}
	catalog, fault := s.Store.Catalog(ctx)
	if fault != nil {
		return AsError(fault)
	}
	return s.readClaims(text, func(scope string) bool { return c.mayAsk(scope, catalog) }, into)
}

func (s *Server) readClaims(text string, allowed func(scope string) bool, into *AuthorizationRequest) *Error {
	var wanted ClaimsRequest
	if len(text) > 4096 || jose.Decode([]byte(text), &wanted) != nil {
		return invalidRequest("claims is not a JSON object of at most 4096 characters with userinfo and id_token").about("claims")
	}
	if !s.reachable(wanted.IDToken["acr"]) {
		return newError(CodeUnmetAuthentication, "no sign-in here reaches the acr that was asked for as essential").about("claims")
	}
	if err := onlySubject(wanted.IDToken["sub"], into); err != nil {
		return err
	}
	into.Claims = wanted.kept(allowed)
	return nil
}

// onlySubject: OpenID Connect Core §3.1.2.2, a sub asked for by value gets an
// answer only when that user is the one signed in, as with id_token_hint.
func onlySubject(sub *ClaimRequest, into *AuthorizationRequest) *Error {
	if sub == nil || sub.Value == nil {
		return nil
	}
	subject, _ := sub.Value.(string)
	if subject == "" || into.HintSubject != "" && into.HintSubject != subject {
		return invalidRequest("claims asks for another sub than id_token_hint, or for none").about("claims")
	}
	into.HintSubject = subject
	return nil
}

// ruleLocales: OpenID Connect Core §3.1.2.1.
func ruleLocales(_ context.Context, _ *Server, _ *Client, req Request, into *AuthorizationRequest) *Error {
	into.UILocales = firstWords(req.Get("ui_locales"), 10)
	return nil
}

func firstWords(list string, n int) []string {
	words := strings.Fields(cut(list, 512))
	return words[:min(n, len(words))]
}

// cut shortens to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
