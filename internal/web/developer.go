package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/valetkey/valetkey/internal/store"
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
		{"GET /developer/apps/{id}/delete", w.owned(w.showDelete)},
		{"POST /developer/apps/{id}/delete", w.ownedForm("delete", w.deleteApp)},
	}
}

// owned opens a page to the owner of the app in the path. To everybody else
// there is no such app.
func (w *Web) owned(act func(*visit, *oauth.Client)) http.HandlerFunc {
	return w.signedIn(w.withApp(act))
}

func (w *Web) ownedForm(purpose string, act func(*visit, *oauth.Client)) http.HandlerFunc {
	return w.posted(purpose, w.withApp(act))
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
		row := appRow{App: viewApp(c), ClientID: c.ID, Type: typeInWords(c.Type), Off: c.Disabled}
		for _, p := range problems {
			row.Problems += p.Count
		}
		view.Apps = append(view.Apps, row)
	}
	w.show(v, as{}, "developer", page{Title: "Your apps", Section: "apps", D: view})
}

func typeInWords(t oauth.ClientType) string {
	switch t {
	case oauth.TypeSPA:
		return "In the browser"
	case oauth.TypeNative:
		return "Phone, desktop or command line"
	case oauth.TypeService:
		return "Service without people"
	}
	return "Web server"
}

type appPage struct {
	App      *appView
	ClientID string
	Type     string
	Form     appForm
	Secret   string // the form token of "Replace secret"
	Problems []problemView
	Add      string // the form token of "Add this address"
	Code     []snippet
	Saved    bool
	Off      bool
	Hidden   bool // it authenticates with a secret
}

func (w *Web) showApp(v *visit, c *oauth.Client) {
	w.renderApp(v, c, http.StatusOK, formOf(c), v.r.URL.Query().Has("saved"))
}

func (w *Web) renderApp(v *visit, c *oauth.Client, status int, form appForm, saved bool) {
	problems, err := w.Store.Problems(v.r.Context(), c.ID)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	if form, err = w.offerScopes(v, form, c); err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	form.Action, form.Submit = appPath(c.ID), "Save changes"
	form.Token = w.token(v, "app")
	view := appPage{
		App: viewApp(c), ClientID: c.ID, Type: typeInWords(c.Type), Form: form, Saved: saved, Off: c.Disabled,
		Secret: w.token(v, "secret"), Add: w.token(v, "callbacks"), Hidden: c.Confidential(),
		Problems: viewProblems(problems, c), Code: snippets(w.Issuer, c),
	}
	w.show(v, as{status: status}, "developer_app", page{Title: c.Name, Section: "apps", D: view})
}

func appPath(id string) string { return "/developer/apps/" + id }

// postApp saves what the form says. What people were shown when the operator
// vouched for the app must stay what it was, or the operator looks again.
func (w *Web) postApp(v *visit, c *oauth.Client) {
	form, ok := w.readAppForm(v, "app")
	if !ok {
		return
	}
	form.Edit, form.Type = true, string(c.Type)
	changed, form, err := w.judgeApp(v, form, c)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	if changed == nil {
		w.renderApp(v, c, form.status(), form, false)
		return
	}
	if err := w.storeApp(v, form, changed, func() error { return w.Store.UpdateClient(v.r.Context(), changed, false) }); err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.redirect(v.rw, v.r, appPath(c.ID)+"?saved=1")
}

type secretView struct {
	Name, ClientID, Secret string
	New                    bool
	Code                   []snippet
}

// replaceSecret makes another secret and shows it this one time. The old one
// stops working at once; what was issued with it stays.
func (w *Web) replaceSecret(v *visit, c *oauth.Client) {
	if !c.Confidential() {
		w.NotFound(v.rw, v.r)
		return
	}
	text, hash := newSecret()
	if err := w.Store.SetClientSecret(v.r.Context(), c.ID, hash, ""); err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.showSecret(v, c, text, false)
}

func (w *Web) showSecret(v *visit, c *oauth.Client, text string, isNew bool) {
	title := "New secret for " + c.Name
	if isNew {
		title = c.Name + " is registered"
	}
	w.show(v, as{secret: true}, "developer_secret", page{Title: title, Section: "apps", D: secretView{
		Name: c.Name, ClientID: c.ID, Secret: text, New: isNew, Code: snippets(w.Issuer, c),
	}})
}

// addCallback registers an address that a problem showed.
func (w *Web) addCallback(v *visit, c *oauth.Client) {
	sent := v.form.Get("uri")
	m := c.Metadata
	if !contains(m.RedirectURIs, sent) {
		m.RedirectURIs = append(append([]string(nil), m.RedirectURIs...), sent)
	}
	changed, bad := oauth.NewClient(c.ID, m, w.Issuer)
	if bad != nil {
		form := formOf(c)
		form.Callbacks = strings.Join(m.RedirectURIs, "\n")
		form.Edit = true
		form.Errors = map[string]string{"callbacks": sentence(bad.Description)}
		w.renderApp(v, c, http.StatusUnprocessableEntity, form, false)
		return
	}
	keepRest(changed, c)
	if err := w.Store.UpdateClient(v.r.Context(), changed, false); err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.redirect(v.rw, v.r, appPath(c.ID)+"?saved=1")
}

type deleteView struct {
	App      *appView
	ClientID string
	Form     string
}

func (w *Web) showDelete(v *visit, c *oauth.Client) {
	w.show(v, as{}, "developer_delete", page{Title: "Delete " + c.Name + "?", Section: "apps", D: deleteView{
		App: viewApp(c), ClientID: c.ID, Form: w.token(v, "delete"),
	}})
}

func (w *Web) deleteApp(v *visit, c *oauth.Client) {
	if err := w.Store.DeleteClient(v.r.Context(), c.ID); err != nil && !errors.Is(err, oauth.ErrNotFound) {
		w.fail(v.rw, v.r, err)
		return
	}
	w.redirect(v.rw, v.r, "/developer")
}

// problemView is what went wrong, for the app's owner. Sent is a stranger's
// text.
type problemView struct {
	store.Problem

	What       string
	Difference string
	Nearest    string
	Addable    bool
	OtherHost  bool // nothing says that the address is the owner's
}

func viewProblems(problems []store.Problem, c *oauth.Client) []problemView {
	out := make([]problemView, 0, len(problems))
	for _, p := range problems {
		v := problemView{Problem: p, What: sentence(p.Description)}
		if v.What == "" {
			v.What = p.Error
		}
		if p.Parameter == "redirect_uri" && p.Sent != "" && !contains(c.RedirectURIs, p.Sent) {
			v.What = "A callback address isn't registered."
			v.Nearest = nearest(p.Sent, c.RedirectURIs)
			if v.Nearest != "" {
				v.Difference = diffRedirect(p.Sent, v.Nearest)
			}
			_, bad := oauth.ParseRedirectURI(p.Sent, c.Type, "")
			v.Addable = bad == nil
			v.OtherHost = !sameHost(p.Sent, c.RedirectURIs)
		}
		out = append(out, v)
	}
	return out
}
