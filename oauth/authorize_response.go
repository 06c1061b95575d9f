package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
)

// respond ends an interaction well: what was agreed is remembered, and a code
// goes to the client. RFC 6749 §4.1.2, RFC 9207 §2.
func (s *Server) respond(ctx context.Context, c *Client, in *Interaction, st Standing) (Reply, error) {
	granted, declined, err := s.granted(ctx, c, in, st)
	if err != nil {
		return nil, err
	}
	if st.Agreed != nil && !c.FirstParty {
		st.consent, err = s.Store.Agree(ctx, Consent{
			Subject: st.Session.Subject, ClientID: c.ID, Scopes: granted, Declined: declined,
			SessionID: st.Session.ID, GrantedAt: s.Now(),
		})
		if err != nil {
			return nil, err
		}
	}
	code, err := s.newCode(ctx, c, in, st, granted)
	if err != nil {
		return nil, err
	}
	s.notify(ctx, Event{Kind: EventAuthorized, ClientID: c.ID, Subject: st.Session.Subject, Session: st.Session.ID, Scopes: granted})
	return s.response(c, in, [][2]string{{"code", code}}), nil
}

// granted is what of the request the person let through: all of it, but for
// optional scopes left unticked, now or when they were asked, and for what the
// app may not ask for any more, since minutes may have passed.
func (s *Server) granted(ctx context.Context, c *Client, in *Interaction, st Standing) (granted, declined []string, err error) {
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range in.Request.wanted() {
		unticked := contains(st.consent.Declined, name) && !c.FirstParty
		if st.Agreed != nil {
			unticked = catalog.Scopes[name].Optional && !contains(st.Agreed, name)
		}
		switch {
		case unticked:
			declined = append(declined, name)
		case !contains(in.Request.Scopes, name) || c.mayAsk(name, catalog):
			granted = append(granted, name)
		}
	}
	return granted, declined, nil
}

// sealedCode is what a code carries, so that nothing is stored until it is
// redeemed. The authorization's id makes it once-only.
type sealedCode struct {
	ID           string         `json:"i"`
	ClientID     string         `json:"c"`
	RedirectURI  string         `json:"u"`
	Challenge    string         `json:"h,omitempty"`
	Nonce        string         `json:"n,omitempty"`
	Subject      string         `json:"s"`
	SessionID    string         `json:"d"`
	Scopes       []string       `json:"o,omitempty"`
	Resources    []string       `json:"r,omitempty"`
	Claims       *ClaimsRequest `json:"k,omitempty"`
	Expires      int64          `json:"x"`
	AuthTime     int64          `json:"t"`
	ACR          string         `json:"a,omitempty"`
	AMR          []string       `json:"m,omitempty"`
	UserEpoch    int64          `json:"e"`
	ClientEpoch  int64          `json:"f"`
	ConsentEpoch int64          `json:"g,omitempty"`
}

// maxCode is how long a code may be in a URL before its content is parked.
const maxCode = 1024

func (s *Server) newCode(ctx context.Context, c *Client, in *Interaction, st Standing, granted []string) (string, error) {
	r := &in.Request
	content, err := json.Marshal(sealedCode{
		ID: secret.NewID(), ClientID: c.ID, RedirectURI: r.RedirectURI, Challenge: r.Challenge, Nonce: r.Nonce,
		Subject: st.Session.Subject, SessionID: st.Session.ID, Scopes: intersect(r.Scopes, granted), Resources: r.Resources,
		Claims: coveredClaims(r, granted), Expires: st.now.Add(s.CodeLifetime).Unix(), AuthTime: st.Session.AuthTime.Unix(),
		ACR: st.Session.ACR, AMR: st.Session.AMR,
		UserEpoch: st.Session.UserEpoch, ClientEpoch: c.Epoch, ConsentEpoch: st.consent.Epoch,
	})
	if err != nil {
		return "", err
	}
	if code := s.boxes.code.Seal(content, nil); len(code) <= maxCode {
		return code, nil
	}
	handle := secret.New().Reveal()
	if err := s.Store.Park(ctx, handle, content, st.now.Add(s.CodeLifetime)); err != nil {
		return "", err
	}
	return s.boxes.code.Seal([]byte("@"+handle), nil), nil
}

// openCode is the inverse of newCode.
func (s *Server) openCode(ctx context.Context, code string) (*sealedCode, error) {
	content, err := s.boxes.code.Open(code, nil)
	if err != nil {
		return nil, invalidGrant("code is not valid").about("code").because(err)
	}
	if len(content) > 0 && content[0] == '@' {
		content, err = s.Store.Parked(ctx, string(content[1:]))
		if errors.Is(err, ErrNotFound) {
			return nil, invalidGrant("code has expired").about("code")
		}
		if err != nil {
			return nil, err
		}
	}
	var sealed sealedCode
	if err := json.Unmarshal(content, &sealed); err != nil {
		return nil, err
	}
	return &sealed, nil
}

// coveredClaims keeps the claims request as far as the person agreed to the
// scopes that its claims belong to.
func coveredClaims(r *AuthorizationRequest, granted []string) *ClaimsRequest {
	if r.Claims == nil {
		return nil
	}
	kept := &ClaimsRequest{UserInfo: map[string]*ClaimRequest{}, IDToken: map[string]*ClaimRequest{}}
	for scope, names := range scopeClaims {
		if !contains(granted, scope) {
			continue
		}
		for _, n := range names {
			keepClaim(kept.UserInfo, r.Claims.UserInfo, n)
			keepClaim(kept.IDToken, r.Claims.IDToken, n)
		}
	}
	for _, n := range []string{"acr", "auth_time", "sub"} {
		keepClaim(kept.IDToken, r.Claims.IDToken, n)
	}
	return kept
}

func keepClaim(into, from map[string]*ClaimRequest, name string) {
	if want, ok := from[name]; ok {
		into[name] = want
	}
}

// refuse turns an error into the response that the client gets. Faults of our
// own storage are no answer to a client: the person may try again.
func (s *Server) refuse(ctx context.Context, c *Client, in *Interaction, err *Error) (Reply, error) {
	if err.Code == CodeTemporarilyUnavailable || err.Code == CodeServerError {
		return nil, err
	}
	if !err.isNoted && !isAnswer(err.Code) {
		s.problem(ctx, c, err, "", nil)
	}
	return s.respondError(c, in, err), nil
}

// isAnswer tells the codes that are no mistake of the app's.
func isAnswer(code string) bool {
	switch code {
	case CodeLoginRequired, CodeConsentRequired, CodeInteractionRequired, CodeSelectionRequired, CodeAccessDenied:
		return true
	}
	return false
}

func (s *Server) respondError(c *Client, in *Interaction, err *Error) *Response {
	params := [][2]string{{"error", err.Code}}
	if err.Description != "" {
		params = append(params, [2]string{"error_description", printable200(err.Description)})
	}
	return s.response(c, in, params)
}

// response adds state and iss, each once: RFC 6749 §4.1.2, RFC 9207 §2.
func (s *Server) response(c *Client, in *Interaction, params [][2]string) *Response {
	if in.Request.State != "" {
		params = append(params, [2]string{"state", in.Request.State})
	}
	return &Response{
		RedirectURI: in.Request.RedirectURI, Mode: in.Request.ResponseMode, Client: c,
		Params: append(params, [2]string{"iss", s.Issuer}),
	}
}

// Location is the address of a query response: the registered query stays as
// it was written, RFC 6749 §3.1.2.
func (r *Response) Location() string {
	uri := []byte(r.RedirectURI)
	sep := byte('?')
	if slices.Contains(uri, '?') {
		sep = '&'
		if uri[len(uri)-1] == '?' || uri[len(uri)-1] == '&' {
			sep = 0
		}
	}
	for _, p := range r.Params {
		if sep != 0 {
			uri = append(uri, sep)
		}
		uri = append(uri, p[0]...)
		uri = append(uri, '=')
		uri = append(uri, url.QueryEscape(p[1])...)
		sep = '&'
	}
	return string(uri)
}

// SealInteraction makes the envelope that a page's URL carries, bound to one
// browser.
func (s *Server) SealInteraction(in *Interaction, browser string) (string, error) {
	content, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	envelope := s.boxes.interaction.Seal(content, []byte(browser))
	if len(envelope) > maxInteraction {
		return "", invalidRequest("the request is too large for a URL; push it (PAR)")
	}
	return envelope, nil
}

const maxInteraction = 6 << 10

// OpenInteraction opens the envelope in the browser that began it. An expired
// interaction comes back beside an error that wraps ErrEnded, so that a page
// can offer the way back.
func (s *Server) OpenInteraction(_ context.Context, envelope, browser string) (*Interaction, error) {
	content, err := s.boxes.interaction.Open(envelope, []byte(browser))
	if err != nil {
		return nil, invalidRequest("this page belongs to another browser, or its address is incomplete").about("i").because(err)
	}
	var in Interaction
	if err := json.Unmarshal(content, &in); err != nil {
		return nil, err
	}
	if s.Now().After(time.Unix(in.Began, 0).Add(s.InteractionLifetime)) {
		return &in, invalidRequest("this page has been open for too long").because(ErrEnded)
	}
	return &in, nil
}

// BackToClient is the address that takes a person from a page that can't go
// on back to the app, as a refusal; "" when the app is gone.
func (s *Server) BackToClient(ctx context.Context, in *Interaction) (string, *Client) {
	client, err := s.interactionClient(ctx, in)
	if err != nil || in.Request.ResponseMode != "query" {
		return "", client
	}
	return s.respondError(client, in, newError(CodeAccessDenied, "the sign-in was not finished in time")).Location(), client
}

// ConsentView is what a consent page shows.
type ConsentView struct {
	Client       *Client
	Scopes       []Scope // asked for and not agreed before
	Granted      []Scope // agreed before
	RedirectHost string
}

// Describe tells a page what is being asked for.
func (s *Server) Describe(ctx context.Context, in *Interaction, session Session) (ConsentView, error) {
	client, err := s.interactionClient(ctx, in)
	if err != nil {
		return ConsentView{}, err
	}
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return ConsentView{}, err
	}
	consent, err := s.Store.Consent(ctx, session.Subject, client.ID)
	if err != nil {
		return ConsentView{}, err
	}
	view := ConsentView{Client: client, RedirectHost: hostOf(in.Request.RedirectURI)}
	for _, name := range in.Request.wanted() {
		if scope := catalog.Scopes[name]; contains(consent.Scopes, name) {
			view.Granted = append(view.Granted, scope)
		} else {
			view.Scopes = append(view.Scopes, scope)
		}
	}
	return view, nil
}

// hostOf is what a person recognises of a redirect URI.
func hostOf(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case u.Host != "":
		return u.Host
	}
	return u.Scheme
}

func printable200(s string) string {
	out := []byte(cut(s, 200))
	for i, b := range out {
		if b < 0x20 || b > 0x7e || b == '"' || b == '\\' {
			out[i] = '?'
		}
	}
	return string(out)
}
