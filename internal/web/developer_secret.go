package web

import (
	"github.com/valetkey/valetkey/oauth"
)

type secretView struct {
	Title, Name, ClientID, Secret string
	Why                           secretReason
	Code                          []snippet
}

// secretReason is why an app has a secret that it hadn't.
type secretReason string

const (
	secretNew      secretReason = "new"      // the app is registered
	secretReplaced secretReason = "replaced" // the old one stopped
	secretGiven    secretReason = "given"    // its way to authenticate needs one
)

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
	w.showSecret(v, c, text, secretReplaced)
}

func (w *Web) showSecret(v *visit, c *oauth.Client, text string, why secretReason) {
	title := v.l.T("New secret for {0}", c.Name)
	if why == secretNew {
		title = v.l.T("{0} is registered", c.Name)
	}
	w.show(v, as{secret: true}, "developer_secret", page{Title: title, Section: "apps", D: secretView{
		Title: title, Name: c.Name, ClientID: c.ID, Secret: text, Why: why, Code: w.snippets(v.l, c),
	}})
}
