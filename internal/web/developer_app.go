package web

import (
	"net/http"

	"github.com/valetkey/valetkey/oauth"
)

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

	Profile, Method, Tokens string // in words
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
	form.Action, form.Submit = appPath(c.ID), v.l.T("Save changes")
	form.Token, form.Pairwise = w.token(v, "app"), pairwiseHost(c)
	view := appPage{
		App: viewApp(c), ClientID: c.ID, Type: typeInWords(v.l, c.Type), Form: form, Saved: saved, Off: c.Disabled,
		Secret: w.token(v, "secret"), Add: w.token(v, "callbacks"), Hidden: c.UsesSecret(),
		Problems: viewProblems(v.l, problems, c), Code: w.snippets(v.l, c), Profile: profileInWords(v.l, c.Profile), Method: methodInWords(v.l, c.AuthMethod), Tokens: tokensInWords(v.l, c),
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
	ends := oauth.MustEnd(c, changed) // another host may make other subjects
	if err := w.storeApp(v, form, changed, func() error { return w.Store.UpdateClient(v.r.Context(), changed, ends) }); err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.redirect(v.rw, v.r, appPath(c.ID)+"?saved=1")
}
