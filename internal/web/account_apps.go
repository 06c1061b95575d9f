package web

import (
	"errors"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

type connectionsView struct {
	Rows     []connectionRow
	Ended    []connectionRow // apps that have nothing any more, and not by the person's own doing
	Withdraw string
	Narrow   string
}

type connectionRow struct {
	ClientID    string
	App         *appView
	Scopes      []oauth.Scope
	Since, Used time.Time
	Open        string // where the app begins a sign-in of its own accord
	Live        int    // how many sign-ins give it access
	Done        string // what was taken back just now
	Lately      []happening
}

// happening is something that became of an app's access.
type happening struct {
	App     string
	At, Now time.Time
	Kind    string // let-in, refreshed or ended
	Why     string // it ended, in words
	Alarm   bool   // somebody else may have had it
}

// maxLately is how much of an app's history is shown; what is older than
// latelyFor isn't.
const (
	maxLately = 5
	latelyFor = 30 * 24 * time.Hour
)

// showConnections lists the apps that may act for this person.
func (w *Web) showConnections(v *visit) {
	view := connectionsView{Withdraw: w.token(v, "withdraw"), Narrow: w.token(v, "narrow")}
	given, err := w.Store.Authorizations(v.r.Context(), v.user.Subject)
	if err == nil {
		view.Rows, err = w.connections(v, given)
	}
	if err == nil {
		view.Ended, err = w.endedLately(v, view.Rows, given)
	}
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	said := w.takeDone(v)
	for i := range view.Rows {
		if row := &view.Rows[i]; said.Part != "" && said.Part == digest([]string{row.ClientID}) {
			row.Done, said = said.Text, done{}
		}
	}
	w.show(v, as{}, "account_apps", page{Title: v.l.T("Connected apps"), Section: "connected", Done: said, D: view})
}

func (w *Web) connections(v *visit, given []oauth.Authorization) ([]connectionRow, error) {
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
			Live: c.Live, Lately: lately(v.l, given, client, w.Now()),
		})
	}
	return rows, nil
}

// lately is what happened to an app's access, newest first, as its authorizations
// tell: when each was made, when it was refreshed last, and when and why it ended.
func lately(l *locale.Locale, given []oauth.Authorization, client *oauth.Client, now time.Time) []happening {
	var out []happening
	add := func(at time.Time, kind, reason string) {
		out = append(out, happening{
			App: client.Name, At: at, Now: now, Kind: kind, Why: endedInWords(l, reason), Alarm: reason == endedByReplay || reason == endedByUsedCode,
		})
	}
	for _, a := range given {
		if a.ClientID != client.ID {
			continue
		}
		add(a.CreatedAt, "let-in", "")
		if a.RotatedAt.After(a.CreatedAt) {
			add(a.RotatedAt, "refreshed", "")
		}
		if !a.EndedAt.IsZero() {
			add(a.EndedAt, "ended", a.EndReason)
		}
	}
	out = slices.DeleteFunc(out, func(h happening) bool { return now.Sub(h.At) > latelyFor })
	slices.SortStableFunc(out, func(a, b happening) int { return b.At.Compare(a.At) })
	return out[:min(len(out), maxLately)]
}

// Why an authorization ended, as the rules and the store write it down.
const (
	endedByLogout   = "logout"
	endedByPerson   = "withdrawn"
	endedByApp      = "revoked by the app"
	endedByReplay   = "an old refresh token was used again"
	endedByUsedCode = "code used twice"
)

func endedInWords(l *locale.Locale, reason string) string {
	switch reason {
	case endedByLogout:
		return l.T("You signed out, so its access was ended.")
	case endedByPerson:
		return l.T("You took its access away.")
	case endedByApp:
		return l.T("It gave its access back.")
	case endedByReplay:
		return l.T("An old key was used again, so its access was ended. Somebody may have copied it.")
	case endedByUsedCode:
		return l.T("A sign-in code was used twice, so its access was ended. Somebody may have copied it.")
	}
	return l.T("Its access was ended.")
}

// endedLately lists apps that aren't connected any more, and whose access ended
// otherwise than the person wanted.
func (w *Web) endedLately(v *visit, connected []connectionRow, given []oauth.Authorization) ([]connectionRow, error) {
	var rows []connectionRow
	for _, a := range given {
		known := func(r connectionRow) bool { return r.ClientID == a.ClientID }
		wanted := a.EndReason == endedByLogout || a.EndReason == endedByPerson || a.EndReason == endedByApp
		if a.EndedAt.IsZero() || wanted || w.Now().Sub(a.EndedAt) > latelyFor || slices.ContainsFunc(connected, known) || slices.ContainsFunc(rows, known) {
			continue
		}
		client, err := w.Store.Client(v.r.Context(), a.ClientID)
		if errors.Is(err, oauth.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, connectionRow{ClientID: a.ClientID, App: viewApp(client), Lately: lately(v.l, given, client, w.Now())})
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
	w.changeConnection(v, func(client *oauth.Client) (string, error) {
		return v.l.T("The app has no access any more"), w.Store.WithdrawConsent(v.r.Context(), v.user.Subject, client.ID, w.Now())
	})
}

func (w *Web) narrow(v *visit) {
	w.changeConnection(v, func(client *oauth.Client) (string, error) {
		return v.l.T("That permission was taken back"), w.Store.NarrowConsent(v.r.Context(), v.user.Subject, client.ID, v.form.Get("scope"), w.Now())
	})
}

// changeConnection changes what an app may do that there is: what was taken back
// is remembered, and of what never was there is nothing to remember. The app's
// card says so, or the top of the page where the card is gone.
func (w *Web) changeConnection(v *visit, change func(*oauth.Client) (words string, err error)) {
	words := ""
	client, err := w.Store.Client(v.r.Context(), v.form.Get("client"))
	if err == nil {
		words, err = change(client)
	}
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		w.redirect(v.rw, v.r, "/account/apps")
	case err != nil:
		w.fail(v.rw, v.r, err)
	default:
		w.keepDone(v, "/account/apps", done{Text: words, Part: digest([]string{client.ID})})
		w.redirect(v.rw, v.r, "/account/apps#done")
	}
}
