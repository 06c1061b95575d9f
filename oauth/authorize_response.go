package oauth

import (
	"context"
	"net/url"
	"slices"
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

func printable200(s string) string {
	out := []byte(cut(s, 200))
	for i, b := range out {
		if b < 0x20 || b > 0x7e || b == '"' || b == '\\' {
			out[i] = '?'
		}
	}
	return string(out)
}
