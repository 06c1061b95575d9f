package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// The headers by which a test says who is at the browser, by how many factors
// they are signed in, and what they answer on the consent page.
const (
	headerUser    = "X-Test-User"
	headerACR     = "X-Test-Acr"
	headerConsent = "X-Test-Consent"
)

// ByHeader signs in whom a header names before anything else looks at the
// request, and says no where a header does. It is for ephemeral servers; login.Service refuses it on others.
func (w *Web) ByHeader(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if name := r.Header.Get(headerUser); name != "" {
			if err := w.become(rw, r, name); err != nil {
				http.Error(rw, err.Error(), http.StatusBadRequest)
				return
			}
		}
		if w.Login.Ephemeral && r.Header.Get(headerConsent) == "deny" { // what was allowed before, or is never asked, too
			r = r.WithContext(oauth.Refusing(r.Context()))
		}
		next.ServeHTTP(rw, r)
	})
}

// become gives the request, and the browser, a session of the person's.
func (w *Web) become(rw http.ResponseWriter, r *http.Request, name string) error {
	two := r.Header.Get(headerACR) == oauth.TwoFactors
	e, err := w.Login.ByName(r.Context(), name, two)
	if err != nil {
		return fmt.Errorf("%s: no user is named %q: %w", headerUser, name, err)
	}
	if rec, err := w.record(r); err == nil && rec.Subject == e.Subject() && (!two || rec.ACR == oauth.TwoFactors) {
		return nil
	}
	verdict, err := w.Login.Authenticate(r.Context(), e, login.Want{})
	switch {
	case err != nil:
		return fmt.Errorf("%s: %q may not sign in: %w", headerUser, name, err)
	case verdict.Next != login.NextNothing:
		return fmt.Errorf("%s: %q needs a second factor; send %s: 2 too", headerUser, name, headerACR)
	}
	in, err := w.Login.SignIn(r.Context(), verdict.Proof, nil, "", w.visitor(r))
	if err != nil {
		return err
	}
	w.setSession(rw, in.Record, in.Cookie)
	others := r.Cookies()
	r.Header.Del("Cookie")
	r.AddCookie(w.cookie("session", in.Cookie))
	for _, c := range others {
		if c.Name != w.cookieName("session") {
			r.AddCookie(c)
		}
	}
	return nil
}

// answered goes on from the consent page as a header says, instead of showing
// it: true when it has.
func (w *Web) answered(rw http.ResponseWriter, r *http.Request, ask *oauth.Ask) bool {
	decision := r.Header.Get(headerConsent)
	if !w.Login.Ephemeral || ask.Step != oauth.StepConsent || decision == "" {
		return false
	}
	session, err := w.Session(r)
	st := oauth.Standing{Session: session, Selected: true}
	var reply oauth.Reply
	switch {
	case err != nil:
	case decision == "allow":
		var view oauth.ConsentView
		if view, err = w.OAuth.Describe(r.Context(), ask.Interaction, session); err == nil {
			st.Agreed = []string{}
			for _, s := range append(view.Granted, view.Scopes...) {
				st.Agreed = append(st.Agreed, s.Name)
			}
			reply, err = w.OAuth.Resume(r.Context(), ask.Interaction, st)
		}
	default:
		err = errors.New(headerConsent + " is allow or deny, not " + strings.ToValidUTF8(cut(decision, 40), "?"))
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return true
	}
	w.Reply(rw, r, reply)
	return true
}
