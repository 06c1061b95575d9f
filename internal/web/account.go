package web

import (
	"errors"
	"time"
)

func (w *Web) accountMap() []route {
	return []route{
		{"GET /account", w.signedIn(w.showAccount)},
		{"GET /account/sessions", w.signedIn(w.showSessions)},
		{"POST /account/sessions/end", w.posted("session-end", w.endSession)},
		{"POST /account/sessions/end-others", w.posted("sessions-end", w.endOtherSessions)},
		{"GET /account/password", w.signedIn(w.showPassword)},
		{"POST /account/password", w.posted("password", w.postPassword)},
		{"GET /account/apps", w.signedIn(w.showConnections)},
		{"POST /account/apps/withdraw", w.posted("withdraw", w.withdraw)},
		{"POST /account/apps/narrow", w.posted("narrow", w.narrow)},
	}
}

type accountView struct {
	User     whoView
	Admin    bool
	Since    time.Time
	Sessions int
	Apps     int
}

func (w *Web) showAccount(v *visit) {
	sessions, err1 := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	apps, err2 := w.Store.Connections(v.r.Context(), v.user.Subject)
	if err := errors.Join(err1, err2); err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.show(v, as{}, "account", page{Title: v.l.T("Your account"), Section: "account", D: accountView{
		User: viewUser(v.user), Admin: v.user.Admin, Since: v.user.CreatedAt, Sessions: len(sessions), Apps: len(apps),
	}})
}
