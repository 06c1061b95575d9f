package oauth

import "context"

// Meter is told what was decided, to be counted. It is called within requests
// and must cost next to nothing.
type Meter interface {
	// Authorized: an authorization request ended with "code", with the code of an
	// error that its app was told, or on a "page".
	Authorized(outcome string)
	// Redeemed: a token request ended with "ok" or the code of an error. A grant
	// that isn't known is "".
	Redeemed(grant, outcome string)
	// Consented: a person was asked, and allowed it or not.
	Consented(allowed bool)
	// Introspected: a client was told whether a token is active.
	Introspected(active bool)
}

// ended counts what came of an authorization request where no response did.
func (s *Server) ended(reply Reply, err error) (Reply, error) {
	if err != nil && s.Meter != nil {
		s.Meter.Authorized("page")
	}
	return reply, err
}

// answered counts a response by its first parameter, a code or an error.
func (s *Server) answered(params [][2]string) {
	switch {
	case s.Meter == nil || len(params) == 0:
	case params[0][0] == "error":
		s.Meter.Authorized(params[0][1])
	default:
		s.Meter.Authorized(params[0][0])
	}
}

func (s *Server) redeemed(req Request, err error) {
	if s.Meter == nil {
		return
	}
	grant := req.Get("grant_type")
	if _, known := s.Grants[grant]; !known {
		grant = ""
	}
	if err != nil {
		s.Meter.Redeemed(grant, AsError(err).Code)
		return
	}
	s.Meter.Redeemed(grant, "ok")
}

func (s *Server) consented(allowed bool) {
	if s.Meter != nil {
		s.Meter.Consented(allowed)
	}
}

// names tells a trace whose request it is.
func (s *Server) names(ctx context.Context, c *Client) {
	if s.Named != nil {
		s.Named(ctx, c.ID)
	}
}
