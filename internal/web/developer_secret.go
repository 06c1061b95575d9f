package web

import (
	"github.com/valetkey/valetkey/oauth"
)

type secretView struct {
	Name, ClientID, Secret string
	New                    bool
	Code                   []snippet
}

// replaceSecret makes another secret and shows it this one time. The old one
// stops working at once; what was issued with it stays.
func (w *Web) replaceSecret(v *visit, c *oauth.Client) {
	if !c.UsesSecret() {
		w.NotFound(v.rw, v.r)
		return
	}
	changed := *c
	text, err := w.OAuth.GiveSecret(&changed)
	if err == nil {
		err = w.Store.SetClientSecret(v.r.Context(), c.ID, changed.SecretHash, "", changed.SecretKey)
	}
	if err != nil {
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
