package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
)

type passwordView struct {
	Form      string
	Username  string
	Has       bool // there is one that must be given first
	Elsewhere bool // an embedder's user base keeps it
	Ended     bool // everything else was signed out just now, because something was not the owner's doing
	Problem   string
	Errors    map[string]string
	Done      bool
	First     bool // there was none before
}

func (w *Web) showPassword(v *visit) {
	switch {
	case !w.Login.Offers(login.WayPassword, 1, nil):
		w.NotFound(v.rw, v.r)
	case v.user.Password != "" || w.Login.Elsewhere(v.user) || w.fresh(v):
		w.renderPassword(v, http.StatusOK, passwordView{Ended: v.r.URL.Query().Has("ended")})
	}
}

func (w *Web) renderPassword(v *visit, status int, view passwordView) {
	view.Form, view.Username, view.Elsewhere = w.token(v, "password"), v.user.Username, w.Login.Elsewhere(v.user)
	view.Has = view.Has || v.user.Password != ""
	title := v.l.T("Change your password")
	if !view.Has && !view.Elsewhere {
		title = v.l.T("Set a password")
	}
	w.show(v, as{status: status}, "account_password", page{Title: title, Section: "security", D: view})
}

func (w *Web) postPassword(v *visit) {
	switch {
	case !w.Login.Offers(login.WayPassword, 1, nil):
		w.NotFound(v.rw, v.r)
		return
	case w.Login.Elsewhere(v.user):
		w.renderPassword(v, http.StatusForbidden, passwordView{})
		return
	}
	err := w.ending(v, func() error {
		return w.Login.ChangePassword(v.r.Context(), v.rec, v.form.Get("current"), v.form.Get("new"), w.device(v.r), w.visitor(v.r))
	})
	var invalid *login.Invalid
	var slow *login.SlowDown
	view := passwordView{Errors: map[string]string{}}
	status := http.StatusUnprocessableEntity
	switch {
	case err == nil:
		w.renderPassword(v, http.StatusOK, passwordView{Done: true, First: v.user.Password == "", Has: true})
		return
	case errors.Is(err, login.ErrStale):
		w.proveAgain(v, "/account/password")
		return
	case errors.As(err, &invalid):
		view.Errors["new"] = v.l.T(invalid.Why, invalid.Args...)
	case errors.As(err, &slow):
		status = http.StatusTooManyRequests
		v.rw.Header().Set("Retry-After", seconds(slow.RetryAfter))
		view.Problem = v.l.T("There were too many tries. Try again in {0}.", v.l.Wait(slow.RetryAfter))
	case errors.Is(err, login.ErrWrong):
		view.Errors["current"] = v.l.T("That isn't your current password.")
	default:
		problem, status, known := w.refused(v, err)
		if !known {
			w.fail(v.rw, v.r, err)
			return
		}
		w.renderPassword(v, status, passwordView{Problem: problem})
		return
	}
	w.renderPassword(v, status, view)
}

// removePassword leaves the account to its other ways in.
func (w *Web) removePassword(v *visit) {
	if a, ok := w.actor(v, "/account/security"); ok {
		w.safetyChanged(v, "password", login.DidRemovePassword, w.ending(v, func() error { return w.Login.RemovePassword(v.r.Context(), a) }))
	}
}
