package web

import (
	"net/http"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

type newAppView struct{ Form appForm }

func (w *Web) showNewApp(v *visit) {
	w.renderNewApp(v, http.StatusOK, appForm{Type: string(oauth.TypeWeb)})
}

func (w *Web) renderNewApp(v *visit, status int, form appForm) {
	form, err := w.offerScopes(v, form, nil)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	form.Action, form.Submit, form.Token = "/developer/apps/new", v.l.T("Register app"), w.token(v, "app")
	w.show(v, as{status: status}, "developer_new", page{Title: v.l.T("Register an app"), Section: "apps", D: newAppView{Form: form}})
}

// postNewApp registers an app and shows its id, and its secret for this one
// time, in the answer itself: no address leads to a secret.
func (w *Web) postNewApp(v *visit) {
	form, ok := w.readAppForm(v, "app")
	if !ok {
		return
	}
	client, form, err := w.judgeApp(v, form, nil)
	if err == nil && client != nil {
		form, err = w.roomForApp(v, form)
	}
	switch {
	case err != nil:
		w.fail(v.rw, v.r, err)
		return
	case client == nil || len(form.Errors) > 0:
		w.renderNewApp(v, form.status(), form)
		return
	}
	client.Owner, client.CreatedAt, client.UpdatedAt = v.user.Subject, w.Now(), w.Now()
	text, err := w.OAuth.GiveSecret(client)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	if err := w.storeApp(v, form, client, func() error { return w.Store.CreateClient(v.r.Context(), client) }); err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.showSecret(v, client, text, secretNew)
}

func (w *Web) roomForApp(v *visit, form appForm) (appForm, error) {
	found, err := w.Store.ListClients(v.r.Context(), &v.user.Subject, "", maxApps)
	if err == nil && len(found) >= maxApps {
		form.fault("name", v.l.T("You have registered as many apps as one account may. Delete one first."))
	}
	return form, err
}

// storeApp saves the logo before the app that points to it: a logo that
// nothing points to is swept, an app never points to nothing.
func (w *Web) storeApp(v *visit, form appForm, client *oauth.Client, save func() error) error {
	switch {
	case form.logo != nil:
		client.LogoID = secret.NewID()
		if err := w.Store.SaveLogo(v.r.Context(), client.LogoID, client.ID, form.logo); err != nil {
			return err
		}
	case form.removeLogo:
		client.LogoID = ""
	}
	return save()
}
