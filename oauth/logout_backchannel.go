package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
)

// How apps are told that a session ended: OpenID Connect Back-Channel Logout §2.5.
const (
	logoutLife     = 24 * time.Hour // given up after
	logoutLease    = 20 * time.Second
	logoutTokenAge = 2 * time.Minute // §2.4: short
	logoutBatch    = 32
	logoutPerHost  = 3 // one after the other, 5 s each at most: within the lease
	logoutWorkers  = 16
	logoutTick     = 5 * time.Second
)

// SignedOut is what became of the apps of a session that ended.
type SignedOut struct {
	Back  []AppLogout // told by us
	Front []AppLogout // to be told by the browser
	Other []*Client   // that can't be told
}

// AppLogout is one app to be told.
type AppLogout struct {
	Client  *Client
	URI     string // of the front channel
	Reached bool   // of the back channel, so far
}

// logoutClaims: Back-Channel Logout §2.4. There is never a nonce.
type logoutClaims struct {
	Issuer    string              `json:"iss"`
	Subject   string              `json:"sub,omitempty"`
	Audience  string              `json:"aud"`
	IssuedAt  int64               `json:"iat"`
	Expires   int64               `json:"exp"`
	ID        string              `json:"jti"`
	SessionID string              `json:"sid,omitempty"`
	Events    map[string]struct{} `json:"events"`
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// EndSession tells the apps of a session that it ended, and answers which of
// them heard it before patience ran out. It is called once the session has
// ended; what could not be delivered is tried again later, by any node. Nobody
// waits where no page is to be shown, and a front channel needs one.
func (s *Server) EndSession(ctx context.Context, session Session, patience time.Duration, page bool) (*SignedOut, error) {
	out := new(SignedOut)
	ids, err := s.Store.SessionClients(ctx, session.Subject, session.ID)
	if err != nil {
		return out, err
	}
	var queue []LogoutDelivery
	now := s.Now()
	for _, id := range ids {
		c, err := s.Store.Client(ctx, id)
		switch {
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			return out, err
		}
		if c.FrontchannelURI != "" {
			out.Front = append(out.Front, AppLogout{Client: c, URI: s.frontchannel(c, session.ID)})
		}
		if c.BackchannelURI != "" {
			out.Back = append(out.Back, AppLogout{Client: c})
			queue = append(queue, LogoutDelivery{
				ID: secret.NewID(), ClientID: c.ID, Subject: session.Subject, SessionID: session.ID,
				DueAt: now.Add(logoutLease), ExpiresAt: now.Add(logoutLife),
			})
		}
		if c.FrontchannelURI == "" && c.BackchannelURI == "" {
			out.Other = append(out.Other, c)
		}
	}
	if len(queue) == 0 {
		return out, nil
	}
	if err := s.Store.QueueLogouts(ctx, queue); err != nil {
		return out, err
	}
	if !page && len(out.Front) == 0 {
		patience = 0
	}
	s.deliverNow(ctx, queue, out, patience)
	return out, nil
}

// frontchannel: Front-Channel Logout §2, with iss and sid always, which an app may
// ignore.
func (s *Server) frontchannel(c *Client, sessionID string) string {
	r := Response{RedirectURI: c.FrontchannelURI, Params: [][2]string{{"iss", s.Issuer}, {"sid", sessionID}}}
	return r.Location()
}

// deliverNow makes the first try of each and waits for the fast ones; the slow
// ones go on without the person.
func (s *Server) deliverNow(ctx context.Context, queue []LogoutDelivery, out *SignedOut, patience time.Duration) {
	reached := make(chan int, len(queue))
	go s.deliverAll(context.WithoutCancel(ctx), queue, func(i int, ok bool) {
		if ok {
			reached <- i
		}
	})
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for range queue {
		select {
		case i := <-reached:
			out.Back[i].Reached = true
		case <-enough.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// deliverAll tells apps side by side, those of one host one after the other: a
// slow host keeps nobody else waiting, and none is flooded.
func (s *Server) deliverAll(ctx context.Context, queue []LogoutDelivery, done func(i int, ok bool)) {
	byHost := map[string][]int{}
	for i, d := range queue {
		host := ""
		if c, err := s.Store.Client(ctx, d.ClientID); err == nil {
			host = hostOf(c.BackchannelURI)
		}
		byHost[host] = append(byHost[host], i)
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, logoutWorkers)
	for _, of := range byHost {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for _, i := range of[:min(len(of), logoutPerHost)] { // the others come due again
				done(i, s.deliver(ctx, queue[i]))
			}
		})
	}
	all.Wait()
}

// deliver tells one app: Back-Channel Logout §2.5. It answers whether the app heard.
func (s *Server) deliver(ctx context.Context, d LogoutDelivery) bool {
	c, err := s.Store.Client(ctx, d.ClientID)
	if errors.Is(err, ErrNotFound) || err == nil && c.BackchannelURI == "" {
		s.complain(ctx, "forgetting a logout", s.Store.LogoutDone(ctx, d.ID))
		return false
	}
	if err == nil {
		err = s.tell(ctx, c, d)
	}
	if err == nil {
		s.complain(ctx, "forgetting a logout", s.Store.LogoutDone(ctx, d.ID))
		return true
	}
	s.Log.InfoContext(ctx, "back-channel logout failed", "client", d.ClientID, "tries", d.Tries+1, "error", err.Error())
	s.complain(ctx, "noting a failed logout", s.Store.LogoutFailed(ctx, d.ID, s.Now().Add(logoutPause(d.Tries))))
	return false
}

// logoutPause doubles from 10 s to an hour.
func logoutPause(tries int64) time.Duration { return min(10*time.Second<<min(tries, 10), time.Hour) }

func (s *Server) tell(ctx context.Context, c *Client, d LogoutDelivery) error {
	if s.Outbound == nil {
		return errors.New("nothing is sent from here")
	}
	token, err := s.logoutToken(ctx, c, d)
	if err != nil {
		return err
	}
	return s.Outbound.Post(ctx, c.BackchannelURI, map[string]string{"logout_token": token})
}

// logoutToken: Back-Channel Logout §2.4, signed as the client's ID tokens are.
func (s *Server) logoutToken(ctx context.Context, c *Client, d LogoutDelivery) (string, error) {
	subject, err := s.subjectFor(ctx, c, d.Subject)
	if err != nil {
		return "", err
	}
	now := s.Now()
	content, err := json.Marshal(logoutClaims{
		Issuer: s.Issuer, Subject: subject, Audience: c.ID, IssuedAt: now.Unix(), Expires: now.Add(logoutTokenAge).Unix(),
		ID: secret.NewID(), SessionID: d.SessionID, Events: map[string]struct{}{logoutEvent: {}},
	})
	if err != nil {
		return "", err
	}
	key, err := s.Keys.Signer(ctx, c.idTokenAlg())
	if err != nil {
		return "", err
	}
	return key.Sign("logout+jwt", content)
}

// Run delivers what could not be delivered at once, until ctx is done.
func (s *Server) Run(ctx context.Context) {
	tick := time.NewTicker(logoutTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.complain(ctx, "delivering logouts", s.DeliverLogouts(ctx))
		}
	}
}

// DeliverLogouts tries what is due. Each delivery is one node's for a while.
func (s *Server) DeliverLogouts(ctx context.Context) error {
	for ctx.Err() == nil {
		now := s.Now()
		due, err := s.Store.TakeLogouts(ctx, now, now.Add(logoutLease), logoutBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		s.deliverAll(ctx, due, func(int, bool) {})
	}
	return ctx.Err()
}

func (s *Server) complain(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, what+" failed", "error", err.Error())
	}
}

// Origin is where a front-channel page lives, for the policy of the page that
// frames it.
func (a AppLogout) Origin() string {
	u, err := url.Parse(a.URI)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
