package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

type logoutView struct {
	Provider *linkView // where the session came from
	App      *appView
	Done     bool
	Form     string
	Carry    [][2]string // the app's request, asked again when the person says yes
	Who      whoView
	Action   string

	// Names of apps: reached, told by the frames of this page, not reached so
	// far, not to be reached.
	Told, Telling, Untold, Other []string

	Frames   []string // pages of apps that sign the person out there
	Continue string   // a path of ours that leads on to the app
}

// logoutPatience is how long a person waits for the apps to be told; the rest
// is told afterwards.
const logoutPatience = 800 * time.Millisecond

// logoutParams: OpenID Connect RP-Initiated Logout 1.0 §2.
var logoutParams = []string{"id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"}

func (w *Web) showLogout(rw http.ResponseWriter, r *http.Request) {
	rec, asked, ok := w.logoutRequest(rw, r, r.URL.Query())
	if !ok {
		return
	}
	if rec.ID == "" || !asked.Confirm {
		w.signOut(rw, r, rec, asked)
		return
	}
	who, err := w.who(r, rec.Subject)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	v := logoutView{App: viewApp(asked.Client), Who: who, Action: "/logout", Form: w.formToken(rw, r, rec.Session, "logout")}
	v.Carry = carried(r.URL.Query())
	how := as{}
	if asked.Redirect != "" {
		how.formAction = formClient(asked.Redirect)
	}
	w.render(rw, r, how, "logout", page{Title: w.speak(r).T("Sign out?"), D: v})
}

// logoutRequest reads who is signed in and what is asked; it answers itself
// when that can't be.
func (w *Web) logoutRequest(rw http.ResponseWriter, r *http.Request, params url.Values) (login.Record, *oauth.LogoutRequest, bool) {
	rec, err := w.record(r)
	if err != nil {
		w.fail(rw, r, err)
		return rec, nil, false
	}
	req, bad := oauth.NewRequest(params)
	if bad != nil {
		w.Error(rw, r, bad)
		return rec, nil, false
	}
	asked, err := w.OAuth.Logout(r.Context(), req, rec.Session)
	if err != nil {
		w.fail(rw, r, err)
		return rec, nil, false
	}
	return rec, asked, true
}

// carried are the parameters of the app's request that came.
func carried(params url.Values) [][2]string {
	var out [][2]string
	for _, name := range logoutParams {
		if v := params.Get(name); v != "" {
			out = append(out, [2]string{name, v})
		}
	}
	return out
}

// postLogout takes two kinds of post. One with our form token is the person's
// yes. Any other is an app's question, from another site as a rule: it goes on
// as a GET, with which the browser sends the session's cookie, and ends
// nothing by itself.
func (w *Web) postLogout(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r, logoutParams...)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	if w.crossSite(r) || !form.Has("form") {
		w.questionByPost(rw, r, form)
		return
	}
	rec, asked, ok := w.logoutRequest(rw, r, without(form, "form"))
	if !ok {
		return
	}
	if rec.ID != "" && w.checkForm(r, form.Get("form"), rec.Session, "logout") != nil {
		w.forbidden(rw, r)
		return
	}
	w.signOut(rw, r, rec, asked)
}

func (w *Web) questionByPost(rw http.ResponseWriter, r *http.Request, form url.Values) {
	q := url.Values{}
	for _, name := range logoutParams {
		if values := form[name]; len(values) > 0 {
			q[name] = values
		}
	}
	to := "/logout"
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	w.redirect(rw, r, to)
}

// signOut ends the session, and with it what hangs off it.
func (w *Web) signOut(rw http.ResponseWriter, r *http.Request, rec login.Record, asked *oauth.LogoutRequest) {
	told := new(oauth.SignedOut)
	provider := w.providerOf(r, rec)
	if rec.ID != "" {
		if err := w.Login.SignOut(r.Context(), rec); err != nil {
			w.fail(rw, r, err)
			return
		}
		w.dropSession(rw)
		var err error
		if told, err = w.OAuth.EndSession(r.Context(), rec.Session, logoutPatience, asked.Redirect == ""); err != nil {
			// The person is signed out here; that apps weren't told is for the log.
			w.Log.ErrorContext(r.Context(), "apps were not told of a sign-out", "request", requestID(rw), "error", err)
		}
	}
	if asked.Redirect != "" && len(told.Front) == 0 {
		w.redirect(rw, r, asked.Redirect)
		return
	}
	w.showSignedOut(rw, r, asked, told, provider)
}

// showSignedOut says which apps were told and which were not. Those of the
// front channel are told by this page: Front-Channel Logout §2.
func (w *Web) showSignedOut(rw http.ResponseWriter, r *http.Request, asked *oauth.LogoutRequest, told *oauth.SignedOut, provider *linkView) {
	v := logoutView{Done: true, App: viewApp(asked.Client), Provider: provider}
	how := as{}
	reached := map[string]bool{}
	for _, app := range told.Back {
		if reached[app.Client.ID] = app.Reached; app.Reached {
			v.Told = append(v.Told, app.Client.Name)
		} else {
			v.Untold = append(v.Untold, app.Client.Name)
		}
	}
	for _, app := range told.Front {
		_, alsoBack := reached[app.Client.ID]
		switch origin := frameOrigin(app); {
		case origin != "":
			v.Frames = append(v.Frames, app.URI)
			if !contains(how.frames, origin) {
				how.frames = append(how.frames, origin)
			}
			if !alsoBack {
				v.Telling = append(v.Telling, app.Client.Name)
			}
		case !alsoBack:
			v.Other = append(v.Other, app.Client.Name)
		}
	}
	for _, c := range told.Other {
		v.Other = append(v.Other, c.Name)
	}
	if asked.Redirect != "" {
		v.Continue = pathWith("/logout/continue", "to", w.forms.Seal([]byte(asked.Redirect), formBind(w.Browser(rw, r), "continue")))
	}
	w.render(rw, r, how, "logout", page{Title: w.speak(r).T("You are signed out"), D: v})
}

// providerOf is where the person may sign out of the provider that the session
// came from: OpenID Connect RP-Initiated Logout §2, as its client. nil: nowhere.
func (w *Web) providerOf(r *http.Request, rec login.Record) *linkView {
	name, idToken := w.Login.CameFrom(rec)
	c := w.connector(entry{}, name)
	if name == "" || c == nil {
		return nil
	}
	to, err := c.LogoutURL(r.Context(), idToken, w.Issuer+"/logout", "")
	if err != nil || oauth.SafeLink(to) == "" && !strings.HasPrefix(to, "http://") {
		return nil
	}
	return &linkView{ID: "logout-provider", Path: to, Text: w.speak(r).T("Sign out of {0} too", c.Title)}
}

// frameOrigin is the origin of an app's page that may be framed, "" for what a
// policy has no words for: an IPv6 host.
func frameOrigin(app oauth.AppLogout) string {
	if origin := app.Origin(); oauth.SafeLink(app.URI) != "" && !strings.ContainsAny(origin, "[;, ") {
		return origin
	}
	return ""
}

// afterLogout leads on to the app that asked. The address was found good before
// it was sealed.
func (w *Web) afterLogout(rw http.ResponseWriter, r *http.Request) {
	to, err := w.forms.Open(r.URL.Query().Get("to"), formBind(w.browser(r), "continue"))
	if err != nil {
		w.NotFound(rw, r)
		return
	}
	w.redirect(rw, r, string(to))
}

func without(form url.Values, name string) url.Values {
	out := url.Values{}
	for n, v := range form {
		if n != name {
			out[n] = v
		}
	}
	return out
}
