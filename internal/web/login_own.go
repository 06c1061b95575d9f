package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// ownView is what the page of an authenticator of its own sees as .D; its form
// posts to Action and brings Form back as the field "form".
type ownView struct {
	App     *appView
	Name    string
	Title   string
	Action  string
	Form    string
	Problem string
	Back    string
}

func (w *Web) own(e entry, name string) *login.Authenticator {
	for _, a := range w.Login.Offered(1, waysOf(e)) {
		if a.Name == name && (a.Template != "" || a.Verify != nil) {
			return &a
		}
	}
	return nil
}

// showOwn is the page of an authenticator that has one of its own: a template
// that the operator or the embedder wrote.
func (w *Web) showOwn(rw http.ResponseWriter, r *http.Request) {
	e, ok := w.entry(rw, r)
	if !ok {
		return
	}
	a := w.own(e, r.PathValue("name"))
	if a == nil {
		w.NotFound(rw, r)
		return
	}
	w.renderOwn(rw, r, http.StatusOK, e, a, "")
}

func (w *Web) renderOwn(rw http.ResponseWriter, r *http.Request, status int, e entry, a *login.Authenticator, problem string) {
	how := as{status: status}
	v := ownView{
		Name: a.Name, Title: a.Title, Action: carry(r, "/login/own/"+a.Name), Form: w.askToken(rw, r, "own-"+a.Name), Problem: problem,
		Back: carry(r, "/login", "stay", "1"),
	}
	if e.app {
		v.App, how.formAction = viewRequest(e.waiting), formClient(e.Request.RedirectURI)
	}
	w.render(rw, r, how, a.Template, page{Title: a.Title, D: v})
}

func (w *Web) postOwn(rw http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	e, form, ok := w.readAsk(rw, r, "own-"+name)
	if !ok {
		return
	}
	a := w.own(e, name)
	if a == nil {
		w.NotFound(rw, r)
		return
	}
	var evidence login.Evidence
	var err error
	if a.Verify != nil {
		form.Del("form")
		evidence, err = w.Login.ByOwn(r.Context(), name, form, login.Attempt{Address: w.Address(r), Device: w.device(r)})
	} else {
		evidence, err = w.Login.ByPassword(r.Context(), login.Attempt{
			Username: form.Get("username"), Password: form.Get("password"), Address: w.Address(r), Device: w.device(r),
		})
	}
	l := w.speak(r)
	var slow *login.SlowDown
	switch {
	case err == nil:
		w.enter(rw, r, e, evidence)
	case errors.As(err, &slow):
		rw.Header().Set("Retry-After", seconds(slow.RetryAfter))
		w.renderOwn(rw, r, http.StatusTooManyRequests, e, a, l.T("There were too many tries. Try again in {0}.", l.Wait(slow.RetryAfter)))
	case errors.Is(err, login.ErrWrong), errors.Is(err, oauth.ErrNotFound):
		w.renderOwn(rw, r, http.StatusUnauthorized, e, a, l.T("That wasn't right. Try again, or sign in another way."))
	default:
		w.fail(rw, r, err)
	}
}
