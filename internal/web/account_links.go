package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/upstream"
)

// showLinking asks for the username and password of a directory whose account is
// to be linked. Other providers ask on pages of their own.
func (w *Web) showLinking(v *visit) {
	c := w.connector(entry{}, v.r.PathValue("id"))
	switch {
	case c == nil || c.Redirects():
		w.NotFound(v.rw, v.r)
	case w.fresh(v):
		w.renderLinking(v, http.StatusOK, c, "")
	}
}

func (w *Web) renderLinking(v *visit, status int, c *upstream.Connector, problem string) {
	w.ask(v.rw, v.r, status, entry{}, askView{
		ID: "linking-form", Heading: v.l.T("Link your account at {0}", c.Title), Intro: []string{v.l.T("Sign in to it once, so that we know it is yours.")},
		Action: "/account/link/" + c.Name, Form: w.tokenFor(v, "link-to", c.Name), Field: "login", Value: cut(v.form.Get("username"), 256),
		Button: v.l.T("Continue"), Problem: problem, Links: []linkView{{"back", "/account/security", v.l.T("Don't link")}},
	})
}

// postLinking sends the browser to another provider and has it come back to the
// question whether to link, or asks a directory whose password it is.
func (w *Web) postLinking(v *visit) {
	c := w.connector(entry{}, v.r.PathValue("id"))
	if c == nil {
		w.NotFound(v.rw, v.r)
		return
	}
	back := "/account/security"
	if !c.Redirects() {
		back = "/account/link/" + c.Name
	}
	if _, ok := w.actor(v, back); !ok {
		return
	}
	if c.Redirects() {
		w.leave(v.rw, v.r, entry{to: "/account/security"}, c, v.rec.ID)
		return
	}
	who, err := w.Login.ByDirectory(v.r.Context(), c.Name, login.Attempt{
		Username: v.form.Get("username"), Password: v.form.Get("password"), Address: w.Address(v.r), Device: w.device(v.r),
	}, c.Password)
	if err != nil {
		w.linkingRefused(v, c, err)
		return
	}
	to := w.forms.Seal([]byte("/account/security"), formBind(w.Browser(v.rw, v.r), "to"))
	w.offerLink(v.rw, v.r, login.Arrival{Identity: who}, v.rec.ID, "to", to)
}

func (w *Web) linkingRefused(v *visit, c *upstream.Connector, err error) {
	var slow *login.SlowDown
	switch {
	case errors.As(err, &slow):
		v.rw.Header().Set("Retry-After", seconds(slow.RetryAfter))
		w.renderLinking(v, http.StatusTooManyRequests, c, v.l.T("There were too many tries. Try again in {0}.", v.l.Wait(slow.RetryAfter)))
	case errors.Is(err, upstream.ErrPasswordExpired):
		w.renderLinking(v, http.StatusForbidden, c, v.l.T("Your password at {0} has expired. Change it there first.", c.Title))
	case errors.Is(err, upstream.ErrUnavailable):
		w.renderLinking(v, http.StatusServiceUnavailable, c, v.l.T("{0} doesn't answer just now. Try again later.", c.Title))
	case errors.Is(err, upstream.ErrWrong), errors.Is(err, login.ErrWrong):
		w.renderLinking(v, http.StatusUnauthorized, c, v.l.T(wrongWords))
	default:
		w.Log.WarnContext(v.r.Context(), "a directory refused", "connector", c.Name, "request", requestID(v.rw), "error", err)
		w.renderLinking(v, http.StatusForbidden, c, v.l.T("The sign-in at {0} didn't work. Nothing was linked.", c.Title))
	}
}

func (w *Web) unlink(v *visit) {
	if a, ok := w.actor(v, "/account/security"); ok {
		w.safetyChanged(v, "linked", login.DidUnlink, w.ending(v, func() error {
			return w.Login.Unlink(v.r.Context(), a, v.form.Get("issuer"), v.form.Get("there"))
		}))
	}
}
