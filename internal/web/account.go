package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
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
	w.show(v, as{}, "account", page{Title: "Your account", Section: "account", D: accountView{
		User: viewUser(v.user), Admin: v.user.Admin, Since: v.user.CreatedAt, Sessions: len(sessions), Apps: len(apps),
	}})
}

type sessionsView struct {
	Rows    []sessionRow
	EndForm string
	AllForm string
}

type sessionRow struct {
	ID, Agent, Address string
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
		row := sessionRow{ID: s.ID, Agent: s.UserAgent, Address: s.Address, At: s.AuthTime, Seen: s.SeenAt, Here: s.ID == v.rec.ID}
		if row.Here {
			view.Rows = append([]sessionRow{row}, view.Rows...)
		} else {
			view.Rows = append(view.Rows, row)
		}
	}
	w.show(v, as{}, "account_sessions", page{Title: "Where you're signed in", Section: "sessions", D: view})
}

// endSession ends one session of this person; another's id does nothing.
func (w *Web) endSession(v *visit) {
	w.endSessions(v, func(s login.Record) bool { return s.ID == v.form.Get("id") })
}

func (w *Web) endOtherSessions(v *visit) {
	w.endSessions(v, func(s login.Record) bool { return s.ID != v.rec.ID })
}

func (w *Web) endSessions(v *visit, which func(login.Record) bool) {
	sessions, err := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	for _, s := range sessions {
		if err == nil && which(s) {
			err = w.Store.EndSession(v.r.Context(), s.ID, w.Now())
		}
	}
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.redirect(v.rw, v.r, "/account/sessions")
}

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
	w.show(v, as{status: status}, "account_password", page{Title: "Change your password", Section: "password", D: view})
}

func (w *Web) postPassword(v *visit) {
	err := w.Login.ChangePassword(v.r.Context(), v.rec, v.form.Get("current"), v.form.Get("new"), w.Address(v.r))
	var invalid *login.Invalid
	var slow *login.SlowDown
	view := passwordView{Errors: map[string]string{}}
	status := http.StatusUnprocessableEntity
	switch {
	case err == nil:
		w.renderPassword(v, http.StatusOK, passwordView{Done: true})
		return
	case errors.As(err, &invalid):
		view.Errors["new"] = sentence(invalid.Why)
	case errors.As(err, &slow):
		status = http.StatusTooManyRequests
		v.rw.Header().Set("Retry-After", seconds(slow.RetryAfter))
		view.Problem = "There were too many tries. Try again in " + inWords(slow.RetryAfter) + "."
	case errors.Is(err, login.ErrWrong):
		view.Errors["current"] = "That isn't your current password."
	default:
		w.fail(v.rw, v.r, err)
		return
	}
	w.renderPassword(v, status, view)
}

type connectionsView struct {
	Rows     []connectionRow
	Withdraw string
	Narrow   string
}

type connectionRow struct {
	ClientID    string
	App         *appView
	Scopes      []oauth.Scope
	Since, Used time.Time
}

// showConnections lists the apps that may act for this person.
func (w *Web) showConnections(v *visit) {
	rows, err := w.connections(v)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.show(v, as{}, "account_apps", page{Title: "Connected apps", Section: "connected", D: connectionsView{
		Rows: rows, Withdraw: w.token(v, "withdraw"), Narrow: w.token(v, "narrow"),
	}})
}

func (w *Web) connections(v *visit) ([]connectionRow, error) {
	found, err := w.Store.Connections(v.r.Context(), v.user.Subject)
	if err != nil {
		return nil, err
	}
	catalog, err := w.Store.Catalog(v.r.Context())
	if err != nil {
		return nil, err
	}
	rows := make([]connectionRow, 0, len(found))
	for _, c := range found {
		client, err := w.Store.Client(v.r.Context(), c.ClientID)
		if errors.Is(err, oauth.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, connectionRow{
			ClientID: c.ClientID, App: viewApp(client), Since: c.Since, Used: c.LastUsed, Scopes: scopesNamed(catalog, c.Scopes),
		})
	}
	return rows, nil
}

// scopesNamed gives the words for scopes; one that is no longer declared
// stands for itself.
func scopesNamed(catalog *oauth.Catalog, names []string) []oauth.Scope {
	out := make([]oauth.Scope, 0, len(names))
	for _, name := range names {
		s, ok := catalog.Scopes[name]
		if !ok {
			s = oauth.Scope{Name: name, Title: name}
		}
		out = append(out, s)
	}
	return out
}

func (w *Web) withdraw(v *visit) {
	err := w.Store.WithdrawConsent(v.r.Context(), v.user.Subject, v.form.Get("client"), w.Now())
	w.afterConnection(v, err)
}

func (w *Web) narrow(v *visit) {
	err := w.Store.NarrowConsent(v.r.Context(), v.user.Subject, v.form.Get("client"), v.form.Get("scope"), w.Now())
	w.afterConnection(v, err)
}

func (w *Web) afterConnection(v *visit, err error) {
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		w.fail(v.rw, v.r, err)
		return
	}
	w.redirect(v.rw, v.r, "/account/apps")
}
