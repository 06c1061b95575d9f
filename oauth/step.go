package oauth

import (
	"context"
	"slices"
	"time"
)

// The names of the built-in steps and of their pages.
const (
	StepSelect  = "select_account"
	StepLogin   = "login"
	StepFactor  = "second_factor"
	StepConsent = "consent"
)

// proceed is the one place that decides what comes next, for a first visit and
// for every return: it walks the steps in order. With prompt=none the first
// needed step's error is the answer; OpenID Connect Core §3.1.2.6.
func (s *Server) proceed(ctx context.Context, c *Client, in *Interaction, standing Standing) (Reply, error) {
	standing, err := s.complete(ctx, c, in, standing)
	if err != nil {
		return nil, err
	}
	for _, step := range s.Steps {
		needed := step.Needed(c, in, standing)
		if step.Name == StepConsent && refuses(ctx) && c.admits(standing.Session.Groups) {
			return s.Deny(ctx, in, standing)
		}
		if !needed {
			continue
		}
		if step.Name != StepSelect && step.Name != StepLogin && !c.admits(standing.Session.Groups) {
			return s.refuse(ctx, c, in, notAdmitted())
		}
		if in.Request.prompts("none") {
			return s.refuse(ctx, c, in, newError(step.Error, "%s is needed and prompt is none", step.Name))
		}
		return &Ask{Step: step.Name, Interaction: in, Client: c}, nil
	}
	if !c.admits(standing.Session.Groups) {
		return s.refuse(ctx, c, in, notAdmitted())
	}
	return s.respond(ctx, c, in, standing)
}

type refusal struct{}

// Refusing is a context in which the person answers no wherever consent stands,
// whether or not it would be asked: for tests of what an app does then.
func Refusing(ctx context.Context) context.Context {
	return context.WithValue(ctx, refusal{}, true)
}

func refuses(ctx context.Context) bool { return ctx.Value(refusal{}) != nil }

func notAdmitted() *Error {
	return newError(CodeAccessDenied, "this app is for groups that the user isn't in")
}

// complete adds to a standing what the steps look at: what was agreed before,
// and the time. A first-party client is not asked for consent, but its user may
// have taken one back, which raised the epoch that its codes carry.
func (s *Server) complete(ctx context.Context, c *Client, in *Interaction, standing Standing) (Standing, error) {
	standing.now = s.Now()
	if standing.Session.ID == "" {
		return standing, nil
	}
	var err error
	if standing.sub, err = s.subjectFor(ctx, c, standing.Session.Subject); err != nil {
		return standing, err
	}
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return standing, err
	}
	standing.barred = catalog.barred(in.Request.Scopes, standing.Session.Groups)
	standing.barred = append(standing.barred, catalog.barred(in.Request.Claims.scopesOf(), standing.Session.Groups)...)
	standing.consent, err = s.Store.Consent(ctx, standing.Session.Subject, c.ID)
	return standing, err
}

// needsSelection: OpenID Connect Core §3.1.2.1, prompt=select_account. With
// nobody signed in the login page is the choice.
func needsSelection(_ *Client, in *Interaction, st Standing) bool {
	return in.Request.prompts("select_account") && st.Session.ID != "" && !st.Selected && st.Agreed == nil && !in.Login.newer(st.Session)
}

// needsLogin: nobody is signed in; prompt=login or create wants a login made
// after the interaction began; max_age has passed; the session is another
// person's than id_token_hint names. CONTRACT §4, decision 12.
func needsLogin(c *Client, in *Interaction, st Standing) bool {
	r := &in.Request
	switch {
	case st.Session.ID == "":
		return true
	case r.HintSubject != "" && r.HintSubject != st.subject():
		return true
	case !c.takes(st.Session.Way):
		return true
	case in.Login.newer(st.Session):
		return false
	case r.prompts("login"), r.prompts("create"):
		return true
	case r.MaxAge != nil:
		return st.now.Sub(st.Session.AuthTime) > time.Duration(*r.MaxAge)*time.Second
	}
	return false
}

// needsConsent: OpenID Connect Core §3.1.2.4, RFC 6749 §10.2, RFC 8252 §8.6;
// CONTRACT §4, decision 13.
func needsConsent(c *Client, in *Interaction, st Standing) bool {
	switch {
	case st.Agreed != nil:
		return false
	case in.Device != "": // RFC 8628 §5.4: somebody else may have sent the code
		return true
	case c.changed: // its document isn't what anybody agreed to or vouched for
		return true
	case c.FirstParty:
		return false
	case in.Request.prompts("consent"):
		return true
	}
	switch c.remembersConsent(in.Request.RedirectURI) {
	case rememberNever:
		return true
	case rememberSession:
		return st.consent.SessionID != st.Session.ID || !st.remembers(&in.Request)
	default:
		return !st.remembers(&in.Request)
	}
}

// remembers says whether all that is wanted was agreed before, or was optional
// and left unticked. A consent that was withdrawn has no time at which it was
// given.
func (st Standing) remembers(r *AuthorizationRequest) bool {
	return !st.consent.GrantedAt.IsZero() && st.consent.SessionID != "" && subset(r.wanted(), slices.Concat(st.consent.Scopes, st.consent.Declined, st.barred))
}

// needsFactor: RFC 9470 §4, OpenID Connect Core §3.1.2.1. The session has one
// factor, and the app, its request or the operator wants two.
func needsFactor(c *Client, in *Interaction, st Standing) bool {
	return st.Session.ACR != acrTwoFactors && (st.Session.Demand == acrTwoFactors || in.wantsTwo(c))
}
