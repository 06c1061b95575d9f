package web

import (
	"errors"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

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
	Open        string // where the app begins a sign-in of its own accord
}

// showConnections lists the apps that may act for this person.
func (w *Web) showConnections(v *visit) {
	rows, err := w.connections(v)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.show(v, as{}, "account_apps", page{Title: v.l.T("Connected apps"), Section: "connected", D: connectionsView{
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
			ClientID: c.ClientID, App: viewApp(client), Open: w.OAuth.InitiateLogin(client), Since: c.Since, Used: c.LastUsed, Scopes: scopesIn(v.l, scopesNamed(catalog, c.Scopes)),
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
