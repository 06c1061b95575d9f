package web

import (
	"net/http"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/oauth"
)

// addCallback registers an address that a problem showed.
func (w *Web) addCallback(v *visit, c *oauth.Client) {
	sent := v.form.Get("uri")
	m := c.Metadata
	if !contains(m.RedirectURIs, sent) {
		m.RedirectURIs = append(append([]string(nil), m.RedirectURIs...), sent)
	}
	changed, bad := oauth.NewClient(c.ID, m, w.Issuer)
	if bad == nil {
		bad = w.judgeSector(v, changed, c)
	}
	if bad != nil {
		form := formOf(c)
		form.Callbacks = strings.Join(m.RedirectURIs, "\n")
		form.Edit = true
		form.Errors = map[string]string{"callbacks": w.inAddressWords(v.l, m, bad)}
		w.renderApp(v, c, http.StatusUnprocessableEntity, form, false)
		return
	}
	changed.CopyStanding(c)
	if err := w.Store.UpdateClient(v.r.Context(), changed, oauth.MustEnd(c, changed)); err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.redirect(v.rw, v.r, appPath(c.ID)+"?saved=1")
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

func viewProblems(l *locale.Locale, problems []store.Problem, c *oauth.Client) []problemView {
	out := make([]problemView, 0, len(problems))
	for _, p := range problems {
		v := problemView{Problem: p, What: foreign(l, p.Description)}
		if v.What == "" {
			v.What = p.Error
		}
		if p.Parameter == "redirect_uri" && p.Sent != "" && !contains(c.RedirectURIs, p.Sent) {
			v.What = l.T("A callback address isn't registered.")
			v.Nearest = nearest(p.Sent, c.RedirectURIs)
			if v.Nearest != "" {
				v.Difference = diffRedirect(l, p.Sent, v.Nearest)
			}
			_, bad := oauth.ParseRedirectURI(p.Sent, c.Type, "")
			v.Addable = bad == nil
			v.OtherHost = !sameHost(p.Sent, c.RedirectURIs)
		}
		out = append(out, v)
	}
	return out
}
