package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

type farewellView struct {
	Form      string
	Username  string
	Elsewhere bool
	Apps      []appRow // that have no owner when the account is gone
	Typed     string
	Wrong     string // what is wrong with what was typed
	Problem   string
}

func (w *Web) showFarewell(v *visit) { w.renderFarewell(v, http.StatusOK, farewellView{}) }

func (w *Web) renderFarewell(v *visit, status int, view farewellView) {
	own, err := w.ownApps(v)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	view.Form, view.Username, view.Apps, view.Elsewhere = w.token(v, "account-delete"), v.user.Username, own, w.Login.Elsewhere(v.user)
	w.show(v, as{status: status}, "account_delete", page{Title: v.l.T("Delete your account"), Section: "data", D: view})
}

func (w *Web) ownApps(v *visit) (rows []appRow, err error) {
	found, err := w.Store.ListClients(v.r.Context(), &v.user.Subject, "", maxApps)
	for _, c := range found {
		rows = append(rows, appRow{App: viewApp(c), ClientID: c.ID})
	}
	return rows, err
}

// postFarewell deletes the account of whoever typed its name and proved just now
// that it is theirs. What people sign in to by their apps doesn't vanish with it.
func (w *Web) postFarewell(v *visit) {
	typed := v.form.Get("username")
	own, err := w.ownApps(v)
	switch {
	case err != nil:
		w.fail(v.rw, v.r, err)
		return
	case w.Login.Elsewhere(v.user):
		w.renderFarewell(v, http.StatusForbidden, farewellView{})
		return
	case len(own) > 0:
		w.renderFarewell(v, http.StatusConflict, farewellView{})
		return
	case login.Canonical(typed) != v.user.UsernameKey:
		w.renderFarewell(v, http.StatusUnprocessableEntity, farewellView{Typed: cut(typed, 100), Wrong: v.l.T("This isn't your username.")})
		return
	}
	a, ok := w.actor(v, "/account/delete")
	if !ok {
		return
	}
	sessions, err := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	if err == nil {
		err = w.Login.Delete(v.r.Context(), a)
	}
	switch {
	case errors.Is(err, oauth.ErrConflict):
		w.renderFarewell(v, http.StatusConflict, farewellView{
			Typed: cut(typed, 100), Problem: v.l.T("You are the last administrator here. Make somebody else one, then delete your account."),
		})
	case err != nil && !errors.Is(err, oauth.ErrNotFound): // another tab was first
		w.fail(v.rw, v.r, err)
	default:
		w.dropSession(v.rw)
		w.tellApps(v.rw, v.r, sessions, "")
		w.ask(v.rw, v.r, http.StatusOK, entry{}, askView{
			Heading: v.l.T("Your account is deleted"), Intro: []string{v.l.T("You are signed out everywhere, and no app has access any more. What was kept about you here is gone.")},
			Links: []linkView{{"sign-in", "/login", v.l.T("Sign in with another account")}},
		})
	}
}
