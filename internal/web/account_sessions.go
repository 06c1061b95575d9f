package web

import (
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

type sessionsView struct {
	Rows    []sessionRow
	EndForm string
	AllForm string
}

type sessionRow struct {
	ID, Agent, Address string
	Way                string // how it was begun, in words; "" for an old one
	At, Seen           time.Time
	Here               bool
}

func (w *Web) showSessions(v *visit) {
	sessions, err := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	view := sessionsView{EndForm: w.token(v, "session-end"), AllForm: w.token(v, "sessions-end")}
	for _, s := range sessions {
		row := sessionRow{
			ID: s.ID, Agent: s.UserAgent, Address: s.Address, At: s.AuthTime, Seen: s.SeenAt, Here: s.ID == v.rec.ID,
			Way: w.wayInWords(v.l, s.Way, s.ACR == oauth.TwoFactors),
		}
		if row.Here {
			view.Rows = append([]sessionRow{row}, view.Rows...)
		} else {
			view.Rows = append(view.Rows, row)
		}
	}
	w.show(v, as{}, "account_sessions", page{Title: v.l.T("Where you're signed in"), Section: "sessions", Done: w.takeDone(v), D: view})
}

// endSession ends one session of this person; another's id does nothing.
func (w *Web) endSession(v *visit) {
	words := ""
	w.endSessions(v, func(s login.Record) bool {
		if s.ID != v.form.Get("id") {
			return false
		}
		words = v.l.T("{0} is signed out", device(v.l, s.UserAgent))
		return true
	}, &words)
}

func (w *Web) endOtherSessions(v *visit) {
	words := v.l.T("Every other browser is signed out")
	w.endSessions(v, func(s login.Record) bool { return s.ID != v.rec.ID }, &words)
}

// endSessions ends some and says so, in words that may come with the choice.
func (w *Web) endSessions(v *visit, which func(login.Record) bool, words *string) {
	sessions, err := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	for _, s := range sessions {
		if err == nil && which(s) {
			if err = w.Store.EndSession(v.r.Context(), s.ID, w.Now()); err == nil {
				_, err = w.OAuth.EndSession(v.r.Context(), s.Session, 0, false)
			}
		}
	}
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.did(v, "/account/sessions", "", *words)
}
