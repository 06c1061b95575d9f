package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
)

type passwordView struct {
	Form     string
	Username string
	Problem  string
	Errors   map[string]string
	Done     bool
}

func (w *Web) showPassword(v *visit) {
	w.renderPassword(v, http.StatusOK, passwordView{})
}

func (w *Web) renderPassword(v *visit, status int, view passwordView) {
	view.Form, view.Username = w.token(v, "password"), v.user.Username
	w.show(v, as{status: status}, "account_password", page{Title: v.l.T("Change your password"), Section: "password", D: view})
}

func (w *Web) postPassword(v *visit) {
	others, err := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	err = w.Login.ChangePassword(v.r.Context(), v.rec, v.form.Get("current"), v.form.Get("new"), w.device(v.r), w.visitor(v.r))
	var invalid *login.Invalid
	var slow *login.SlowDown
	view := passwordView{Errors: map[string]string{}}
	status := http.StatusUnprocessableEntity
	switch {
	case err == nil:
		w.tellOfOthers(v, others)
		w.renderPassword(v, http.StatusOK, passwordView{Done: true})
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
		w.fail(v.rw, v.r, err)
		return
	}
	w.renderPassword(v, status, view)
}

// tellOfOthers tells the apps of the sessions that a new password ended.
func (w *Web) tellOfOthers(v *visit, sessions []login.Record) {
	for _, s := range sessions {
		if s.ID == v.rec.ID {
			continue
		}
		if _, err := w.OAuth.EndSession(v.r.Context(), s.Session, 0, false); err != nil {
			w.Log.ErrorContext(v.r.Context(), "apps were not told of a sign-out", "request", requestID(v.rw), "error", err)
		}
	}
}
