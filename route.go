package valetkey

import (
	"context"
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/endpoint"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/oauth"
)

// route puts endpoints, pages and operations behind one front.
func (s *Server) route(c Config, ring *seal.Keyring, hasher *secret.Hasher) error {
	front := &endpoint.Front{
		Issuer: c.Issuer, Log: c.Log, Proxies: c.TrustedProxies, Open: isOperation, Now: c.Now, Access: c.AccessLog,
	}
	s.observe(c, hasher, front)
	pages, err := web.New(web.Config{
		OAuth: s.oauth, Store: s.store, Login: s.login, Keyring: ring, Issuer: c.Issuer, Name: c.Name,
		Signup: s.oauth.Signup, Others: s.others, Mailbox: s.mailbox, Now: c.Now, Log: c.Log, TemplateDir: c.Templates, Brand: c.Brand, Brands: c.Brands, Overlay: c.OwnTemplates, Address: front.Address,
	})
	if err != nil {
		return err
	}
	s.oauth.Logo = pages.KeepLogo
	protocol := &endpoint.Endpoints{
		OAuth: s.oauth, Pages: pages, JWKS: s.keys.JWKS, Origins: s.store, Address: front.Address, Log: c.Log,
		Certificates: front.ClientCertificates(c.CertificateHeader),
	}
	mux := http.NewServeMux()
	protocol.Routes(mux)
	pages.Routes(mux)
	if !c.OperationsElsewhere {
		s.operations(mux, front)
	}
	front.Next = mux
	if s.clock != nil {
		s.clock.routes(mux)
		front.Next = pages.ByHeader(mux)
	}
	s.handler = front
	s.mtls = s.mtlsRoutes(front, protocol, c.MTLSURL)
	return nil
}

// mtlsRoutes is the front of the other address, which has no pages: a cookie
// would reach it, since ports don't keep cookies apart.
func (s *Server) mtlsRoutes(front *endpoint.Front, protocol *endpoint.Endpoints, address string) http.Handler {
	if address == "" {
		return http.NotFoundHandler()
	}
	mux := http.NewServeMux()
	protocol.MachineRoutes(mux)
	other := *front
	other.Issuer, other.Next = address, mux
	return &other
}

// notify writes an event to the log, and a problem into the client's list.
func (s *Server) notify(c Config) func(context.Context, oauth.Event) {
	return func(ctx context.Context, e oauth.Event) {
		e.RequestID = endpoint.RequestID(ctx)
		switch e.Kind {
		case oauth.EventProblem:
			s.store.NoteProblem(e)
			c.Log.InfoContext(ctx, "app problem", "request", e.RequestID, "client", e.ClientID, "code", e.Error.Code, "why", e.Error.Description)
		case oauth.EventCodeReplayed, oauth.EventReplayed, oauth.EventRepeated:
			e.Error = &oauth.Error{Code: oauth.CodeInvalidGrant, Description: replayWords[e.Kind]}
			s.store.NoteProblem(e)
			c.Log.WarnContext(ctx, string(e.Kind), "request", e.RequestID, "client", e.ClientID, "subject", e.Subject, "session", e.Session)
		case oauth.EventIssued, oauth.EventRefreshed:
			s.store.Used(e.ClientID, e.Subject, e.At)
		default:
			c.Log.InfoContext(ctx, string(e.Kind), "request", e.RequestID, "client", e.ClientID, "subject", e.Subject, "scopes", e.Scopes)
		}
	}
}

var replayWords = map[oauth.EventKind]string{
	oauth.EventCodeReplayed: "a code was redeemed twice; what it was given has ended",
	oauth.EventReplayed:     "an old refresh token was used again; the access has ended",
	oauth.EventRepeated:     "one refresh token was used more than three times; store the new one that each answer brings",
}

// SetupLink returns the one-time address that makes the first administrator,
// "" when there is one already. Each call makes the link before it void.
func (s *Server) SetupLink(ctx context.Context) (string, error) {
	token := secret.New().Reveal()
	err := s.store.SetupToken(ctx, secret.Hash(token))
	if errors.Is(err, oauth.ErrConflict) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return s.Issuer + "/setup?token=" + token, nil
}
