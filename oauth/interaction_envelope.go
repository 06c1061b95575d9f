package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// SealInteraction makes the envelope that a page's URL carries, bound to one
// browser. Behind it, for any browser, stands which app it came from: whoever
// lost their cookies finds the way back.
func (s *Server) SealInteraction(in *Interaction, browser string) (string, error) {
	content, err := in.content()
	if err != nil {
		return "", err
	}
	envelope := s.boxes.interaction.Seal(content, []byte(browser))
	if in.Device == "" {
		envelope += "." + s.boxes.sender.Seal([]byte(in.Request.ClientID), []byte(envelope))
	}
	if len(envelope) > maxInteraction {
		return "", invalidRequest("the request is too large for a URL; push it (PAR)")
	}
	return envelope, nil
}

const maxInteraction = 6 << 10

// OpenInteraction opens the envelope in the browser that began it. An expired
// interaction comes back beside an error that wraps ErrEnded, so that a page
// can offer the way back.
func (s *Server) OpenInteraction(ctx context.Context, envelope, browser string) (*Interaction, error) {
	sealed, sender, _ := strings.Cut(envelope, ".")
	content, err := s.boxes.interaction.Open(sealed, []byte(browser))
	if err == nil && sender != "" {
		_, err = s.boxes.sender.Open(sender, []byte(sealed))
	}
	if err != nil {
		return nil, invalidRequest("this page belongs to another browser, or its address is incomplete").about("i").because(err)
	}
	in, err := s.readInteraction(ctx, content)
	switch {
	case err != nil:
		return in, err
	case s.tooOld(in):
		return in, invalidRequest("this page has been open for too long").because(ErrEnded)
	}
	return in, nil
}

// content is what an envelope holds. A pushed request stays in the store,
// however long it is.
func (in *Interaction) content() ([]byte, error) {
	if in.Pushed == "" {
		return json.Marshal(in)
	}
	short := *in
	short.Request = AuthorizationRequest{ClientID: in.Request.ClientID}
	return json.Marshal(&short)
}

// readInteraction is the inverse of content. One whose pushed request was used
// up comes back beside an error that wraps ErrEnded.
func (s *Server) readInteraction(ctx context.Context, content []byte) (*Interaction, error) {
	in := new(Interaction)
	if err := json.Unmarshal(content, in); err != nil {
		return nil, err
	}
	if in.Pushed == "" {
		return in, nil
	}
	pushed, err := s.Store.Pushed(ctx, in.Pushed)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, invalidRequestURI("the pushed request has expired")
	case err != nil:
		return nil, err
	}
	if in.Request, err = s.openPushed(&pushed); err != nil {
		return nil, err
	}
	if pushed.Spent {
		return in, invalidRequestURI("this request was finished before").because(ErrEnded)
	}
	return in, nil
}

// BackToClient is the address that takes a person from a page that can't go
// on back to the app, as a refusal; "" when the app is gone.
func (s *Server) BackToClient(ctx context.Context, in *Interaction) (string, *Client) {
	client, err := s.interactionClient(ctx, in)
	if err != nil || in.Device != "" || !strings.HasPrefix(in.Request.ResponseMode, "query") {
		return "", client
	}
	response, err := s.respondError(ctx, client, in, newError(CodeAccessDenied, "the sign-in was not finished in time"))
	if err != nil {
		return "", client
	}
	return response.Location(), client
}

// StartOfClient is where a person can begin again at the app whose page was
// opened in a browser that it isn't for: the app's own sign-in (OpenID Connect
// Core §4), its homepage, or the site of its callback. Nothing of the request
// is given away. "" when there is no such place.
func (s *Server) StartOfClient(ctx context.Context, envelope string) (string, *Client) {
	sealed, sender, _ := strings.Cut(envelope, ".")
	id, err := s.boxes.sender.Open(sender, []byte(sealed))
	if err != nil {
		return "", nil
	}
	client, err := s.Store.Client(ctx, string(id))
	if err != nil || client.Disabled {
		return "", nil
	}
	if start := SafeLink(client.InitiateLoginURI); start != "" {
		u, _ := url.Parse(start) // SafeLink has parsed it
		q := u.Query()
		q.Set("iss", s.Issuer)
		u.RawQuery = q.Encode()
		return u.String(), client
	}
	if home := SafeLink(client.HomepageURI); home != "" {
		return home, client
	}
	for _, uri := range client.RedirectURIs {
		if u, err := url.Parse(uri); err == nil && SafeLink(uri) != "" {
			return u.Scheme + "://" + u.Host + "/", client
		}
	}
	return "", client
}

// ConsentView is what a consent page shows.
type ConsentView struct {
	Client       *Client
	Scopes       []Scope // asked for and not agreed before
	Granted      []Scope // agreed before
	RedirectHost string
	Device       *DeviceView // set when a device asks
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
	if in.Device != "" {
		if view.Device, err = s.describeDevice(ctx, in); err != nil {
			return ConsentView{}, err
		}
	}
	wanted := in.Request.wanted()
	for _, name := range without(wanted, catalog.barred(wanted, session.Groups)...) {
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
