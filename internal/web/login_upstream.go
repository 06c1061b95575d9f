package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// away is a browser that was sent to another provider: all that its coming back
// is judged by. It travels sealed in the state parameter and opens in that
// browser alone, so nothing is stored for who never comes back.
type away struct {
	Connector string `json:"c"`
	Nonce     string `json:"n"`
	Verifier  string `json:"v"`
	Query     string `json:"q,omitempty"` // of the sign-in page: i, to, again
	Parked    string `json:"p,omitempty"` // the query's handle where it is long
	Link      string `json:"l,omitempty"` // the session whose account is to be linked
	Fresh     *int   `json:"f,omitempty"` // how old the sign-in there may be, seconds
	At        int64  `json:"t"`
}

const (
	awayLife = 15 * time.Minute
	maxState = 1500 // characters of state that every provider takes
)

// showWith sends the browser to another provider, or asks for a directory's
// username and password.
func (w *Web) showWith(rw http.ResponseWriter, r *http.Request) {
	e, ok := w.entry(rw, r)
	if !ok {
		return
	}
	c := w.connector(e, r.PathValue("name"))
	switch {
	case c == nil:
		w.NotFound(rw, r)
	case !c.Redirects():
		w.renderDirectory(rw, r, http.StatusOK, e, c, r.URL.Query().Get("login_hint"), "")
	default:
		w.leave(rw, r, e, c, "")
	}
}

func (w *Web) callbackURI(c *upstream.Connector) string {
	return w.Issuer + "/login/callback/" + c.Name
}

// leave: OpenID Connect Core §3.1.2.1 as a client, RFC 7636, RFC 9700 §4.7.
func (w *Web) leave(rw http.ResponseWriter, r *http.Request, e entry, c *upstream.Connector, link string) {
	w.Browser(rw, r)
	out := away{Connector: c.Name, Nonce: secret.New().Reveal(), Verifier: secret.New().Reveal(), Link: link, At: w.Now().Unix()}
	out.Query = url.Values(pick(r.URL.Query(), "i", "to", "again")).Encode()
	out.Fresh = wantsFresh(r, e)
	state, err := w.sealAway(r, &out)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	req := upstream.Request{MaxAge: out.Fresh, State: state, Nonce: out.Nonce, Verifier: out.Verifier, RedirectURI: w.callbackURI(c), LoginHint: cut(r.URL.Query().Get("login_hint"), 256)}
	if e.app {
		req.UILocales, req.ACRValues = e.Request.UILocales, w.wantsACR(e)
		if req.LoginHint == "" {
			req.LoginHint = e.Request.LoginHint
		}
	}
	if out.Fresh != nil && *out.Fresh == 0 {
		req.Prompt = []string{"login"}
	}
	to, err := c.Begin(r.Context(), req)
	if err != nil {
		w.upstreamFailed(rw, r, e, c, err)
		return
	}
	w.redirect(rw, r, to)
}

// wantsACR are the acr values that the app asks for or its operator demands.
func (w *Web) wantsACR(e entry) []string {
	wanted := slices.Clone(e.Request.ACRValues)
	if demand := w.OAuth.Demands(e.Client, e.Interaction); demand != "" && !slices.Contains(wanted, demand) {
		wanted = append(wanted, demand)
	}
	return wanted
}

// wantsFresh is how old a sign-in there may be, nil for any age: who proves it
// again, and an app with prompt=login, want one that is made now.
func wantsFresh(r *http.Request, e entry) *int {
	switch {
	case r.URL.Query().Get("again") != "", e.app && slices.Contains(e.Request.Prompt, "login"):
		return new(int)
	case e.app:
		return e.Request.MaxAge
	}
	return nil
}

// freshThere: OpenID Connect Core §3.1.2.1. A provider that doesn't say when
// somebody signed in was asked for a new sign-in all the same; what rests on it
// looks at auth_time again.
func (w *Web) freshThere(out away, who upstream.Identity) bool {
	if out.Fresh == nil || who.AuthTime.IsZero() {
		return true
	}
	allowed := time.Duration(*out.Fresh)*time.Second + w.Now().Sub(time.Unix(out.At, 0)) + time.Minute
	return w.Now().Sub(who.AuthTime) <= allowed
}

func pick(q url.Values, names ...string) url.Values {
	out := url.Values{}
	for _, name := range names {
		if v := q.Get(name); v != "" {
			out.Set(name, v)
		}
	}
	return out
}

// sealAway parks a long query: of a browser that has pressed a button here, one
// row for a quarter of an hour.
func (w *Web) sealAway(r *http.Request, out *away) (string, error) {
	content, err := json.Marshal(out)
	if err != nil {
		return "", err
	}
	state := w.forms.Seal(content, formBind(w.browser(r), "away"))
	if len(state) <= maxState {
		return state, nil
	}
	if err := w.Login.Throttle.Park(w.Address(r)); err != nil {
		return "", &oauth.Error{Code: oauth.CodeTooManyRequests, Description: "too many sign-ins were begun from here", Cause: err}
	}
	handle := secret.New().Reveal()
	sealed := w.forms.Seal([]byte(out.Query), formBind(w.browser(r), "parked"))
	if err := w.Store.Park(r.Context(), handle, []byte(sealed), w.Now().Add(awayLife)); err != nil {
		return "", err
	}
	out.Query, out.Parked = "", handle
	if content, err = json.Marshal(out); err != nil {
		return "", err
	}
	return w.forms.Seal(content, formBind(w.browser(r), "away")), nil
}

func (w *Web) openAway(r *http.Request, state string) (out away, err error) {
	content, err := w.forms.Open(state, formBind(w.browser(r), "away"))
	if err != nil || json.Unmarshal(content, &out) != nil || w.Login.TooOld(out.At, awayLife) {
		return out, login.ErrStale
	}
	if out.Parked == "" {
		return out, nil
	}
	sealed, err := w.Store.Parked(r.Context(), out.Parked)
	if err != nil {
		return out, login.ErrStale
	}
	query, err := w.forms.Open(string(sealed), formBind(w.browser(r), "parked"))
	out.Query = string(query)
	return out, err
}

// callback is where another provider sends the browser back.
func (w *Web) callback(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for _, name := range []string{"code", "state", "iss", "error"} {
		if len(q[name]) > 1 {
			w.cameBackWrong(rw, r)
			return
		}
	}
	out, err := w.openAway(r, q.Get("state"))
	if err != nil || out.Connector != r.PathValue("name") {
		w.cameBackLate(rw, r, out)
		return
	}
	back := r.Clone(r.Context()) // as if the sign-in page had been posted
	back.URL = &url.URL{Path: "/login", RawQuery: out.Query}
	e, ok := w.entry(rw, back)
	if !ok {
		return
	}
	c := w.connector(e, out.Connector)
	if c == nil {
		w.NotFound(rw, r)
		return
	}
	req := upstream.Request{State: q.Get("state"), Nonce: out.Nonce, Verifier: out.Verifier, RedirectURI: w.callbackURI(c)}
	who, err := c.Finish(r.Context(), req, upstream.Callback{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss"), Error: q.Get("error"), ErrorDescription: q.Get("error_description")})
	if err != nil {
		w.upstreamFailed(rw, back, e, c, err)
		return
	}
	if !w.freshThere(out, who) {
		w.renderLogin(rw, back, http.StatusForbidden, e, loginView{Problem: w.speak(r).T("{0} didn't ask you to sign in again. Sign out there first, or use another way.", c.Title)})
		return
	}
	once := &oauth.Once{Kind: "upstream", Owner: c.Name, ID: out.Nonce, Until: time.Unix(out.At, 0).Add(awayLife)}
	w.arrived(rw, back, e, login.Arrival{Identity: who, Create: w.creates(c), Once: once}, out.Link)
}

func (w *Web) creates(c *upstream.Connector) bool {
	if c.AutoCreate != nil {
		return *c.AutoCreate
	}
	return w.Signup && !w.Login.Policy.Invite && len(w.Login.Policy.Domains) == 0
}

// cameBackWrong: RFC 6749 §10.12. It was another browser's, it is old, or it was
// made up.
func (w *Web) cameBackWrong(rw http.ResponseWriter, r *http.Request) { w.cameBackLate(rw, r, away{}) }

// cameBackLate begins again at the sign-in page that it left from, where that is
// known: whoever was away for too long was on the way to an app.
func (w *Web) cameBackLate(rw http.ResponseWriter, r *http.Request, out away) {
	l, again := w.speak(r), "/login"
	if out.Query != "" {
		again += "?" + out.Query + "&stay=1"
	}
	w.showError(rw, r, http.StatusBadRequest, errorView{
		What: l.T("This sign-in can't be finished here"), Why: l.T("It began in another browser, or too long ago."), Do: l.T("Begin again."),
		Code: "invalid_request", Parameter: "state", Back: again, BackText: l.T("Sign in"),
	})
}

// upstreamFailed leads back to the sign-in page, with what can be said.
func (w *Web) upstreamFailed(rw http.ResponseWriter, r *http.Request, e entry, c *upstream.Connector, err error) {
	l := w.speak(r)
	v, status := loginView{}, http.StatusBadGateway
	var refused *upstream.Refused
	switch {
	case errors.Is(err, upstream.ErrDenied):
		v.Problem, status = l.T("You didn't sign in at {0}. Nothing was shared.", c.Title), http.StatusForbidden
	case errors.Is(err, upstream.ErrUnavailable):
		v.Problem = l.T("{0} doesn't answer just now. Try again, or sign in another way.", c.Title)
		status = http.StatusServiceUnavailable
		rw.Header().Set("Retry-After", "30")
	case errors.As(err, &refused):
		v.Problem, status = l.T(refused.Why, refused.Args...), http.StatusForbidden
	case r.Context().Err() != nil && errors.Is(err, context.Canceled):
		return
	default:
		v.Problem = l.T("The sign-in at {0} didn't work. Try again, or sign in another way.", c.Title)
	}
	w.Log.WarnContext(r.Context(), "sign-in with another provider failed", "connector", c.Name, "request", requestID(rw), "error", upstream.Cause(err))
	w.renderLogin(rw, r, status, e, v)
}

// arrived goes on with who came back: to be signed in, or linked.
func (w *Web) arrived(rw http.ResponseWriter, r *http.Request, e entry, a login.Arrival, link string) {
	if link != "" {
		w.offerLink(rw, r, a, link)
		return
	}
	evidence, err := w.Login.ByIdentity(r.Context(), a)
	var unlinked *login.Unlinked
	switch {
	case errors.As(err, &unlinked):
		w.offerLink(rw, r, a, "")
	case errors.Is(err, login.ErrWrong):
		w.loginRefused(rw, r, e, "", err)
	case err != nil:
		w.fail(rw, r, err)
	default:
		w.enter(rw, r, e, evidence)
	}
}

// offerLink leads to the page that asks whether an account of another provider
// is to be a way in. session is the one that asked for it, "" for nobody's; more are
// parameters of that page's address.
func (w *Web) offerLink(rw http.ResponseWriter, r *http.Request, a login.Arrival, session string, more ...string) {
	rec, err := w.record(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	if session != "" && rec.ID != session {
		w.cameBackWrong(rw, r)
		return
	}
	offer, err := w.Login.OfferLink(a, w.browser(r))
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.redirect(rw, r, carry(r, "/link", append([]string{"o", offer}, more...)...))
}

// renderDirectory asks for a username and password of a directory.
func (w *Web) renderDirectory(rw http.ResponseWriter, r *http.Request, status int, e entry, c *upstream.Connector, name, problem string) {
	l := w.speak(r)
	w.ask(rw, r, status, e, askView{
		ID: "directory-form", Heading: l.T("Sign in with {0}", c.Title), Action: carry(r, "/login/with/"+c.Name), Form: w.askToken(rw, r, "directory"),
		Field: "login", Value: cut(name, 256), Button: l.T("Sign in"), Problem: problem, Links: []linkView{{"back", carry(r, "/login", "stay", "1"), l.T("Sign in another way")}},
	})
}

// postDirectory asks a directory whose password it is. Tries are counted as for
// a password of ours, and by the directory's own name for the person.
func (w *Web) postDirectory(rw http.ResponseWriter, r *http.Request) {
	e, form, ok := w.readAsk(rw, r, "directory")
	if !ok {
		return
	}
	c := w.connector(e, r.PathValue("name"))
	if c == nil || c.Redirects() {
		w.NotFound(rw, r)
		return
	}
	name, l := form.Get("username"), w.speak(r)
	who, err := w.Login.ByDirectory(r.Context(), c.Name, login.Attempt{Username: name, Password: form.Get("password"), Address: w.Address(r), Device: w.device(r)}, c.Password)
	var slow *login.SlowDown
	switch {
	case err == nil:
		w.arrived(rw, r, e, login.Arrival{Identity: who, Create: w.creates(c)}, "")
	case errors.As(err, &slow):
		rw.Header().Set("Retry-After", seconds(slow.RetryAfter))
		w.renderDirectory(rw, r, http.StatusTooManyRequests, e, c, name, l.T("There were too many tries. Try again in {0}.", l.Wait(slow.RetryAfter)))
	case errors.Is(err, upstream.ErrPasswordExpired):
		w.renderDirectory(rw, r, http.StatusForbidden, e, c, name, l.T("Your password at {0} has expired. Change it there first.", c.Title))
	case errors.Is(err, upstream.ErrUnavailable):
		w.Log.WarnContext(r.Context(), "a directory doesn't answer", "connector", c.Name, "request", requestID(rw), "error", upstream.Cause(err))
		w.renderDirectory(rw, r, http.StatusServiceUnavailable, e, c, name, l.T("{0} doesn't answer just now. Try again, or sign in another way.", c.Title))
	case errors.Is(err, upstream.ErrWrong), errors.Is(err, login.ErrWrong):
		w.renderDirectory(rw, r, http.StatusUnauthorized, e, c, name, l.T(wrongWords))
	default:
		w.Log.WarnContext(r.Context(), "a directory refused", "connector", c.Name, "request", requestID(rw), "error", upstream.Cause(err))
		w.renderDirectory(rw, r, http.StatusForbidden, e, c, name, l.T("The sign-in at {0} didn't work. Try again, or sign in another way.", c.Title))
	}
}
