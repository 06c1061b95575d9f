package oauth

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// respond ends an interaction well: what was agreed is remembered, and a code
// goes to the client. RFC 6749 §4.1.2, RFC 9207 §2.
func (s *Server) respond(ctx context.Context, c *Client, in *Interaction, st Standing) (Reply, error) {
	granted, declined, err := s.granted(ctx, c, in, st)
	if err != nil {
		return nil, err
	}
	if c, err = s.keepDocument(ctx, c); err != nil {
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
		s.consented(true)
	}
	authorized := Event{Kind: EventAuthorized, ClientID: c.ID, Subject: st.Session.Subject, Session: st.Session.ID, Scopes: granted}
	if in.Device != "" {
		if err := s.approveDevice(ctx, c, in, st, granted); err != nil {
			return nil, err
		}
		s.notify(ctx, authorized)
		return &DeviceDone{Client: c, Approved: true}, nil
	}
	if in.Pushed != "" {
		if err := s.spendPushed(ctx, in); err != nil {
			return nil, err
		}
	}
	code, err := s.newCode(ctx, c, in, st, granted)
	if err != nil {
		return nil, err
	}
	s.notify(ctx, authorized)
	return s.response(ctx, c, in, [][2]string{{"code", code}})
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
		if contains(st.barred, name) {
			continue
		}
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

// refuse turns an error into the response that the client gets. Faults of our
// own storage are no answer to a client: the person may try again.
func (s *Server) refuse(ctx context.Context, c *Client, in *Interaction, err *Error) (Reply, error) {
	if err.Code == CodeTemporarilyUnavailable || err.Code == CodeServerError {
		return nil, err
	}
	if !err.isNoted && !isAnswer(err.Code) {
		s.problem(ctx, c, err, "", nil)
	}
	if in.Device != "" {
		return nil, err
	}
	if in.Pushed != "" { // an error ends it too
		if fault := s.spendPushed(ctx, in); fault != nil {
			return nil, fault
		}
	}
	return s.respondError(ctx, c, in, err)
}

// isAnswer tells the codes that are no mistake of the app's.
func isAnswer(code string) bool {
	switch code {
	case CodeLoginRequired, CodeConsentRequired, CodeInteractionRequired, CodeSelectionRequired, CodeAccessDenied:
		return true
	}
	return false
}

func (s *Server) respondError(ctx context.Context, c *Client, in *Interaction, err *Error) (*Response, error) {
	params := [][2]string{{"error", err.Code}}
	if err.Description != "" {
		params = append(params, [2]string{"error_description", printable200(err.Description)})
	}
	return s.response(ctx, c, in, params)
}

// response adds state and iss, each once: RFC 6749 §4.1.2, RFC 9207 §2.
func (s *Server) response(ctx context.Context, c *Client, in *Interaction, params [][2]string) (*Response, error) {
	s.answered(params)
	if in.Request.State != "" {
		params = append(params, [2]string{"state", in.Request.State})
	}
	mode, signed := strings.CutSuffix(in.Request.ResponseMode, ".jwt")
	r := &Response{RedirectURI: in.Request.RedirectURI, Mode: mode, Client: c}
	if !signed {
		r.Params = append(params, [2]string{"iss", s.Issuer})
		return r, nil
	}
	token, err := s.signResponse(ctx, c, params)
	r.Params = [][2]string{{"response", token}}
	return r, err
}

// responseLife: JARM §2.1 recommends at most 10 minutes.
const responseLife = 10 * time.Minute

// signResponse: JARM §2.1, the parameters as claims.
func (s *Server) signResponse(ctx context.Context, c *Client, params [][2]string) (string, error) {
	claims := map[string]any{"iss": s.Issuer, "aud": c.ID, "exp": s.Now().Add(responseLife).Unix()}
	for _, p := range params {
		claims[p[0]] = p[1]
	}
	return s.signFor(ctx, c, c.ResponseAlg, "JWT", claims)
}

// signFor signs what a client is to verify, by the algorithm it registered, else
// RS256, or the strongest that its profile takes.
func (s *Server) signFor(ctx context.Context, c *Client, alg, typ string, claims any) (string, error) {
	switch {
	case alg == "" && c.Profile == ProfileFAPI2:
		alg = string(jose.PS256)
	case alg == "":
		alg = string(jose.RS256)
	}
	content, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	key, err := s.Keys.Signer(ctx, jose.Alg(alg))
	if err != nil {
		return "", err
	}
	return key.Sign(typ, content)
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

func printable200(s string) string {
	out := []byte(cut(s, 200))
	for i, b := range out {
		if b < 0x20 || b > 0x7e || b == '"' || b == '\\' {
			out[i] = '?'
		}
	}
	return string(out)
}
