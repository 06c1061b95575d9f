package web

import (
	"errors"

	"github.com/valetkey/valetkey/oauth"
)

type deleteView struct {
	App      *appView
	ClientID string
	Form     string
}

func (w *Web) showDelete(v *visit, c *oauth.Client) {
	w.show(v, as{}, "developer_delete", page{Title: v.l.T("Delete {0}?", c.Name), Section: "apps", D: deleteView{
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
