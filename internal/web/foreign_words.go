package web

import (
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// foreignWords are whole sentences that other packages say and that reach
// pages. They are put into a language by what they say, since a rule knows no
// language, and what the portal shows of yesterday is English in the database.
// One that isn't here stays as it is. A test finds those that are said nowhere.
var foreignWords = []string{
	// Of oauth.BuiltinScopes.
	locale.Key("Know who you are"),
	locale.Key("An identifier of your account, so that it recognises you next time."),
	locale.Key("See your profile"),
	locale.Key("Your name, picture, language and what else your profile holds."),
	locale.Key("See your email address"),
	locale.Key("See your postal address"),
	locale.Key("See your phone number"),
	locale.Key("Keep this access when you're away"),
	locale.Key("Until you take it back on your account page."),
	locale.Key("Learn which tokens were revoked"),

	// Of oauth.Profile.Duties.
	locale.Key("Push every authorization request to /par first, with PKCE (S256)."),
	locale.Key("Authenticate by private_key_jwt with the issuer as aud, or by a client certificate."),
	locale.Key("Bind tokens by DPoP, or to the client certificate, at /token and at every API."),
	locale.Key("Sign with PS256, ES256 or EdDSA; RS256 is refused."),
	locale.Key("Redeem the code within 60 seconds; check iss in every response."),
	locale.Key("Keep the refresh token: it is not replaced when it is used."),
	locale.Key("PKCE may be left out by an app that authenticates; the token request must then repeat redirect_uri."),
	locale.Key("The secret may be sent in the Authorization header or in the body."),
	locale.Key("Use PKCE with S256 for every request."),
	locale.Key("Authenticate in the one way that is registered."),
	locale.Key("Replace the refresh token by the new one that each answer brings."),

	// Of a form that isn't ours.
	locale.Key("A form is sent as application/x-www-form-urlencoded."),
	locale.Key("The form can't be read."),
	locale.Key("A field was sent more than once."),
	locale.Key("A field holds what is no text."),
	locale.Key("The form has no boundary."),
	locale.Key("The form has too many parts."),
	locale.Key("Many people are signing in just now."),

	// Of oauth, at a device's code.
	locale.Key("A code is eight letters, such as WDJB-MJHT."),
	locale.Key("No device waits under this code; it may have expired."),
	locale.Key("This code is not valid any more."),
	locale.Key("This code was answered already."),
	locale.Key("Too many wrong codes; try again later."),

	// Of oauth, on any parameter.
	locale.Key("{0} was sent more than once."),
	locale.Key("{0} is missing."),
	locale.Key("{0} has expired."),
	locale.Key("{0} was used before."),
	locale.Key("{0} must be {1}."),
	locale.Key("{0} is longer than {1} characters."),
	locale.Key("{0} is not supported."),
	locale.Key("{0} is a number of seconds."),
	locale.Key("{0} is not valid any more."),
	locale.Key("{0} is not valid for this app."),
	locale.Key("{0} was issued to another app."),
	locale.Key("{0} could not be fetched."),
	locale.Key("A parameter holds a NUL character."),
	locale.Key("A parameter is longer than {0} characters."),
	locale.Key("A parameter is not UTF-8."),
	locale.Key("More than {0} parameters."),

	// Of oauth, at /authorize and on its pages.
	locale.Key("No app is registered under this client_id."),
	locale.Key("redirect_uri is not one that this app registered."),
	locale.Key("The app has been deleted."),
	locale.Key("The app has been switched off."),
	locale.Key("This app has been switched off."),
	locale.Key("The app no longer registers this redirect_uri."),
	locale.Key("The user did not allow it."),
	locale.Key("The user is gone."),
	locale.Key("The address of this page is incomplete."),
	locale.Key("This page has been open for too long."),
	locale.Key("This page belongs to another browser, or its address is incomplete."),
	locale.Key("This request was finished before."),
	locale.Key("The sign-in was not finished in time."),
	locale.Key("The request is too large for a URL; push it (PAR)."),
	locale.Key("response_type is missing; it must be code."),
	locale.Key("response_mode form_post needs an https redirect_uri."),
	locale.Key("code_challenge is missing; this app must use PKCE with S256."),
	locale.Key("id_token_hint is not an ID token that this server issued to this app."),
	locale.Key("No sign-in here reaches the acr that was asked for as essential."),
	locale.Key("Prompt is a list of words separated by single spaces."),
	locale.Key("Prompt none can't stand beside others."),
	locale.Key("Prompt {0} is not supported."),
	locale.Key("{0} is needed and prompt is none."),
	locale.Key("Resource {0} is not known here."),
	locale.Key("Scope {0} is not registered for this app."),
	locale.Key("Scope has more than {0} names."),
	locale.Key("Scope is a list of names separated by single spaces."),
	locale.Key("This app is for groups that the user isn't in."),
	locale.Key("This app is not registered for the authorization code grant."),

	// Of oauth, on pushed and signed requests.
	locale.Key("Profile fapi2 takes pushed authorization requests only; send it to /par first."),
	locale.Key("This app registered to push its authorization requests; send it to /par first."),
	locale.Key("This app registered to sign its authorization requests; send a request object."),
	locale.Key("The pushed request has expired."),
	locale.Key("request_uri stands alone and once."),
	locale.Key("request_uri can't be pushed."),
	locale.Key("request_uri is unknown, or was pushed by another app."),
	locale.Key("request_uri is fetched too often."),
	locale.Key("request_uri is neither pushed nor registered by this app."),
	locale.Key("Request and request_uri can't stand together."),
	locale.Key("Request or request_uri was sent more than once."),
	locale.Key("The request object is no signed JWT."),
	locale.Key("The request object is not well-formed."),
	locale.Key("The request object is not signed by a key of this app."),
	locale.Key("The request object has expired."),
	locale.Key("Unsigned request objects are not supported."),
	locale.Key("This app registered no keys to verify a request object with."),
	locale.Key("The keys of the app could not be had."),
	locale.Key("client_id in the request object differs from the one beside it."),
	locale.Key("Iss of the request object must be the client_id."),
	locale.Key("Aud of the request object must be this issuer."),
	locale.Key("Nbf of the request object lies in the future."),
	locale.Key("A request object is good for at most 60 minutes from nbf."),
	locale.Key("A request object holds no request or request_uri."),
	locale.Key("A request object has no sub: it could pass for a client assertion."),
	locale.Key("Profile fapi2 wants iss, aud, nbf and exp in a request object."),
	locale.Key("{0} in the request object is not a value that a parameter can have."),

	// Of oauth, on how an app proves itself.
	locale.Key("Client authentication failed."),
	locale.Key("Client authentication is missing."),
	locale.Key("More than one way of client authentication was used."),
	locale.Key("client_id differs from the client that authenticated."),
	locale.Key("The app authenticated by another method than it registered."),
	locale.Key("The client secret was wrong."),
	locale.Key("client_assertion must have the client_id as iss and sub."),
	locale.Key("client_assertion has no exp."),
	locale.Key("client_assertion needs a jti of at most 512 characters."),
	locale.Key("client_assertion expires in more than 5 minutes."),
	locale.Key("client_assertion is from the future."),
	locale.Key("client_assertion was issued too long ago."),
	locale.Key("client_assertion has another aud than this server."),
	locale.Key("This app's tokens are bound by DPoP, and the request has no proof."),
	locale.Key("This app's tokens are bound to a certificate, and the connection has none."),
	locale.Key("The DPoP proof is not valid: {0}."),
	locale.Key("The DPoP proof was used before."),
	locale.Key("The DPoP proof needs the nonce of this answer's DPoP-Nonce header."),
	locale.Key("Profile fapi2 binds tokens: send a DPoP proof or use a client certificate."),
	locale.Key("Profile fapi2 takes DPoP proofs signed by PS256, ES256 or EdDSA."),
	locale.Key("dpop_jkt differs from the key of the DPoP proof."),

	// Of oauth, at /token.
	locale.Key("grant_type is not supported."),
	locale.Key("This app is not registered for grant_type {0}."),
	locale.Key("This app is not registered for the device grant."),
	locale.Key("Scope asks for more than was granted."),
	locale.Key("Resource asks for more than was granted."),
	locale.Key("Scope {0} speaks of a person, and there is none."),
	locale.Key("client_credentials needs a client that authenticates."),
	locale.Key("Code is bound to another DPoP key by dpop_jkt."),
	locale.Key("Code was used before; what it was given has ended."),
	locale.Key("Code was withdrawn: the user, the app or the consent has changed."),
	locale.Key("redirect_uri differs from the one of the authorization request."),
	locale.Key("redirect_uri is missing; without PKCE it must be repeated."),
	locale.Key("redirect_uri is no longer registered."),
	locale.Key("code_verifier does not match the code_challenge."),
	locale.Key("code_verifier is 43 to 128 unreserved characters."),
	locale.Key("code_verifier was sent, but the authorization request had no code_challenge."),
	locale.Key("device_code has expired; begin again."),
	locale.Key("device_code was redeemed before."),
	locale.Key("device_code was withdrawn: the user, the app or the consent has changed."),
	locale.Key("The user has not answered yet."),
	locale.Key("Poll every {0} seconds from now on."),
	locale.Key("refresh_token has expired or was revoked."),
	locale.Key("refresh_token was revoked: {0}."),
	locale.Key("refresh_token is bound to another key."),
	locale.Key("refresh_token was replaced by a newer one."),
	locale.Key("refresh_token was used before; the access has ended and the user must allow it again."),
	locale.Key("This refresh_token is bound by DPoP, and the request has no proof."),

	// Of oauth, at /logout.
	locale.Key("client_id differs from the app of id_token_hint."),
	locale.Key("id_token_hint is not an ID token of this server."),
	locale.Key("post_logout_redirect_uri is not one that this app registered."),
	locale.Key("post_logout_redirect_uri needs id_token_hint or client_id."),

	// Of oauth, on a registration; see inFormWords and inSecurityWords.
	locale.Key("A callback address is empty."),
	locale.Key("A callback address is longer than 2000 characters."),
	locale.Key("A callback address has a character that must be percent-encoded."),
	locale.Key("A callback address has a character that is not allowed in a URI."),
	locale.Key("A callback address has a fragment."),
	locale.Key("A callback address is not an absolute URI."),
	locale.Key("A callback address has a wildcard; register each address in full."),
	locale.Key("A callback address names a user."),
	locale.Key("A callback address has a host that is not a plain name or address."),
	locale.Key("A callback address has dot segments in its path."),
	locale.Key("A callback address carries a parameter that the response sets."),
	locale.Key("A callback address names no host."),
	locale.Key("A callback address must use https."),
	locale.Key("A callback address points at this server itself."),
	locale.Key("A callback address uses a scheme that is not a reversed domain name such as com.example.app."),
	locale.Key("The address is not an https address."),
	locale.Key("A certificate's name belongs to tls_client_auth."),
	locale.Key("tls_client_auth_san_ip is no IP address."),
	locale.Key("client_secret_jwt uses HS256."),
	locale.Key("Jwks has no signing key of RS256, PS256, ES256 or EdDSA."),
	locale.Key("request_uris has more than 50 entries."),
}

// foreign puts a rule's words into a language, as a sentence.
func foreign(l *locale.Locale, words string) string {
	if said, ok := translated(l, words); ok {
		return said
	}
	return l.Isolate(sentence(words))
}

// inDetail is what a protocol error says to an app's makers. Unless there is a
// translation it is as the app itself would be told.
func inDetail(l *locale.Locale, e *oauth.Error) string {
	if said, ok := translated(l, e.Description); ok {
		return said
	}
	return l.Isolate(e.Description)
}

// translated returns the words as a sentence, and whether it is of l's
// language.
func translated(l *locale.Locale, words string) (string, bool) {
	whole := sentence(words)
	if l.Tag == "en" || whole == "" {
		return whole, false
	}
	if said := l.Try(whole); said != whole {
		return said, true
	}
	for _, key := range foreignWords {
		if !strings.Contains(key, "{") || l.Try(key) == key {
			continue
		}
		text := whole
		if strings.HasPrefix(key, "{") {
			text = closed(words) // a parameter keeps its name
		}
		if args, ok := unfill(key, text); ok {
			return l.T(key, args...), true
		}
	}
	return whole, false
}

// unfill is the inverse of filling {0}, {1} … into a text, in their order.
// What stands first is one word: it is a name.
func unfill(key, text string) (args []any, ok bool) {
	parts := splitKey(key)
	text, ok = strings.CutPrefix(text, parts[0])
	for i, part := range parts[1:] {
		var arg string
		arg, text, ok = cutArg(text, part, ok, i == len(parts)-2)
		if arg == "" || !ok || parts[0] == "" && i == 0 && strings.Contains(arg, " ") {
			return nil, false
		}
		args = append(args, arg)
	}
	return args, ok && text == ""
}

// cutArg takes what stands before part: the first time, and at the end of the
// text the last time.
func cutArg(text, part string, so, last bool) (arg, rest string, ok bool) {
	if last {
		arg, ok = strings.CutSuffix(text, part)
		return arg, "", ok && so
	}
	arg, rest, ok = strings.Cut(text, part)
	return arg, rest, ok && so
}

// splitKey are the texts around the placeholders of a key.
func splitKey(key string) []string {
	var parts []string
	for {
		i := strings.IndexByte(key, '{')
		if i < 0 || i+3 > len(key) {
			return append(parts, key)
		}
		parts, key = append(parts, key[:i]), key[i+3:]
	}
}

// scopeIn puts the words of a scope of OpenID Connect's into a language. Those
// of an operator's own stay as they wrote them, in their own direction.
func scopeIn(l *locale.Locale, s oauth.Scope) oauth.Scope {
	if s.Builtin {
		s.Title, s.Description = l.Try(s.Title), l.Try(s.Description)
	} else {
		s.Title, s.Description = l.Isolate(s.Title), l.Isolate(s.Description)
	}
	return s
}

func scopesIn(l *locale.Locale, scopes []oauth.Scope) []oauth.Scope {
	out := make([]oauth.Scope, 0, len(scopes))
	for _, s := range scopes {
		out = append(out, scopeIn(l, s))
	}
	return out
}
