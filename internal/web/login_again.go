package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// proving fits the sign-in page to somebody who is signed in already: it says
// what a page of ours wants a proof for, offers what they can prove it by, and
// leads back.
func (w *Web) proving(r *http.Request, e entry, v *loginView) error {
	rec, err := w.record(r)
	if err != nil || rec.ID == "" || r.URL.Query().Get("switch") != "" {
		return err
	}
	ours := !e.app && r.URL.Query().Get("again") != ""
	v.Again = e.app || ours
	if !ours {
		return nil
	}
	user, err := w.Login.User(r.Context(), rec.Subject)
	if err != nil {
		if errors.Is(err, oauth.ErrNotFound) {
			return nil
		}
		return err
	}
	v.Why, v.Back = whyAgain(w.speak(r), e.to), cameFrom(e.to)
	if v.Username == "" {
		v.Username, v.Focus = user.Username, "password"
	}
	can, err := w.Login.ProvesBy(r.Context(), user)
	if err != nil {
		return err
	}
	v.only(func(s section) bool { return can(s.way()) })
	return nil
}

// only leaves those ways in of which that is so; all, where it is so of none.
func (v *loginView) only(fits func(section) bool) {
	left := slices.DeleteFunc(slices.Clone(v.Sections), func(s section) bool { return !fits(s) })
	if len(left) == 0 {
		return
	}
	passkeys := slices.ContainsFunc(left, func(s section) bool { return s.Kind == "passkey" })
	if !passkeys {
		v.AskedTo, v.Asked = "", login.Challenge{}
	}
	v.Sections = nil
	for _, s := range left {
		s.Or, s.Webauth = false, passkeys
		v.add(s)
	}
}

// way is the authenticator that a section is of; "" for one of an embedder's own.
func (s section) way() string {
	switch {
	case s.Kind == "password":
		return login.WayPassword
	case s.Kind == "passkey":
		return login.WayPasskey
	case s.ID == "way-email":
		return login.WayEmail
	case strings.HasPrefix(s.ID, "with-"):
		return login.WayConnector
	}
	return ""
}

// whyAgain says what somebody is about to do on the page that they come from.
func whyAgain(l *locale.Locale, to string) string {
	at, _ := url.Parse(to)
	switch path := at.EscapedPath(); {
	case path == "/account/delete":
		return l.T("Sign in once more to delete your account.")
	case path == "/account/data":
		return l.T("Sign in once more to take a copy of your data.")
	case path == "/account/email":
		return l.T("Sign in once more to change your email address.")
	case strings.HasPrefix(path, "/account/"), path == "/enrol", path == "/link":
		return l.T("Sign in once more to change how you sign in.")
	}
	return l.T("Sign in once more to go on.")
}

// cameFrom is the page to go back to without a proof. Some show nothing without
// one: then it is the page that leads to them.
func cameFrom(to string) string {
	at, err := url.Parse(to)
	switch {
	case err != nil, !strings.HasPrefix(at.Path, "/account/"):
		return "/account"
	case strings.HasSuffix(at.Path, "/new"), strings.HasPrefix(at.Path, "/account/link/"), strings.HasPrefix(at.Path, "/account/two-step"):
		return "/account/security"
	}
	return to
}
