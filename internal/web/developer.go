package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

func (w *Web) developerMap() []route {
	return []route{
		{"GET /developer", w.signedIn(w.showApps)},
		{"GET /developer/apps/new", w.signedIn(w.showNewApp)},
		{"POST /developer/apps/new", w.signedIn(w.postNewApp)},
		{"GET /developer/apps/{id}", w.owned(w.showApp)},
		{"POST /developer/apps/{id}", w.owned(w.postApp)},
		{"POST /developer/apps/{id}/secret", w.ownedForm("secret", w.replaceSecret)},
		{"POST /developer/apps/{id}/callbacks", w.ownedForm("callbacks", w.addCallback)},
		{"GET /developer/apps/{id}/security", w.owned(w.showSecurity)},
		{"POST /developer/apps/{id}/security", w.ownedForm("security", w.postSecurity, "grant")},
		{"GET /developer/apps/{id}/delete", w.owned(w.showDelete)},
		{"POST /developer/apps/{id}/delete", w.ownedForm("delete", w.deleteApp)},
	}
}

// owned opens a page to the owner of the app in the path. To everybody else
// there is no such app.
func (w *Web) owned(act func(*visit, *oauth.Client)) http.HandlerFunc {
	return w.signedIn(w.withApp(act))
}

func (w *Web) ownedForm(purpose string, act func(*visit, *oauth.Client), repeatable ...string) http.HandlerFunc {
	return w.posted(purpose, w.withApp(act), repeatable...)
}

func (w *Web) withApp(act func(*visit, *oauth.Client)) func(*visit) {
	return func(v *visit) {
		client, err := w.Store.Client(v.r.Context(), v.r.PathValue("id"))
		switch {
		case errors.Is(err, oauth.ErrNotFound), err == nil && (client.Owner == "" || client.Owner != v.user.Subject):
			w.NotFound(v.rw, v.r)
		case err != nil:
			w.fail(v.rw, v.r, err)
		default:
			act(v, client)
		}
	}
}

// maxApps is how many apps one person may register.
const maxApps = 100

type appsView struct{ Apps []appRow }

type appRow struct {
	App      *appView
	ClientID string
	Type     string
	Problems int64
	Off      bool
}

func (w *Web) showApps(v *visit) {
	found, err := w.Store.ListClients(v.r.Context(), &v.user.Subject, "", maxApps)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	view := appsView{}
	for _, c := range found {
		problems, err := w.Store.Problems(v.r.Context(), c.ID)
		if err != nil {
			w.fail(v.rw, v.r, err)
			return
		}
		row := appRow{App: viewApp(c), ClientID: c.ID, Type: typeInWords(v.l, c.Type), Off: c.Disabled}
		for _, p := range problems {
			row.Problems += p.Count
		}
		view.Apps = append(view.Apps, row)
	}
	w.show(v, as{}, "developer", page{Title: v.l.T("Your apps"), Section: "apps", D: view})
}

func typeInWords(l *locale.Locale, t oauth.ClientType) string {
	switch t {
	case oauth.TypeSPA:
		return l.T("In the browser")
	case oauth.TypeNative:
		return l.T("Phone, desktop or command line")
	case oauth.TypeService:
		return l.T("Service without people")
	case oauth.TypeWeb:
	}
	return l.T("Web server")
}
