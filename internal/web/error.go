package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// errorView has the three parts of an error: what happened, why, what to do.
type errorView struct {
	What, Why, Do string
	Code          string // #error-code
	Parameter     string // #error-detail names it; "" when Detail does
	Detail        string
	Back          string // a path of ours that leads on
	BackText      string
	RequestID     string
	Makers        bool // an app made the request, and its makers look at what stands below
	Open          bool // the reader is told to look there

	safe bool // nothing was shared, which is worth saying
}

func requestID(rw http.ResponseWriter) string { return rw.Header().Get("X-Request-Id") }

// Error shows a protocol error that can't be sent to any client.
func (w *Web) Error(rw http.ResponseWriter, r *http.Request, e *oauth.Error) {
	status := statusOf(e)
	switch status {
	case http.StatusServiceUnavailable:
		rw.Header().Set("Retry-After", "5")
	case http.StatusTooManyRequests:
		rw.Header().Set("Retry-After", "3600") // what is counted is counted by the hour
	}
	l := w.speak(r)
	view := explain(l, e)
	view.Code, view.Detail = e.Code, inDetail(l, e)
	if !strings.Contains(e.Description, e.Parameter) {
		view.Parameter = e.Parameter
	}
	w.showError(rw, r, status, view)
}

// fail shows any error. What isn't a protocol error is logged here, once, but
// for a browser that has gone.
func (w *Web) fail(rw http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	ours := e.Code == oauth.CodeServerError || e.Code == oauth.CodeTemporarilyUnavailable
	if gone := errors.Is(err, context.Canceled) && r.Context().Err() != nil; ours && !gone {
		w.Log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "request", requestID(rw), "error", err)
	}
	w.Error(rw, r, e)
}

// asError is oauth.AsError, with a busy password check as a busy server.
func asError(err error) *oauth.Error {
	if errors.Is(err, secret.ErrBusy) {
		return &oauth.Error{Code: oauth.CodeTemporarilyUnavailable, Description: "many people are signing in just now", Cause: err}
	}
	return oauth.AsError(err)
}

func statusOf(e *oauth.Error) int {
	switch e.Code {
	case oauth.CodeServerError:
		return http.StatusInternalServerError
	case oauth.CodeTemporarilyUnavailable:
		return http.StatusServiceUnavailable
	case oauth.CodeTooManyRequests:
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}

// explain puts an error into words for the person who meets it.
func explain(l *locale.Locale, e *oauth.Error) errorView {
	view := explainOurs(l, e)
	if view.What == "" {
		view = explainRequest(l, e)
		view.Makers = true
	}
	view.Open = view.Makers || e.Code == oauth.CodeServerError
	if view.safe {
		view.Why += " " + l.T("Nothing was shared.")
	}
	return view
}

// explainOurs are errors that are no fault of the app's.
func explainOurs(l *locale.Locale, e *oauth.Error) errorView {
	switch {
	case e.Code == oauth.CodeTemporarilyUnavailable:
		return errorView{safe: true, What: l.T("The server is busy"), Why: l.T("It can't answer just now."), Do: l.T("Wait a few seconds and load this page again.")}
	case e.Code == oauth.CodeServerError:
		return errorView{safe: true, What: l.T("Something went wrong here"), Why: l.T("The server met an error of its own."), Do: l.T("Try again. If it happens again, tell the operator, with the request id below.")}
	case e.Code == oauth.CodeTooManyRequests:
		return errorView{safe: true, What: l.T("Too many tries"), Why: l.T("This browser or address has tried too often."), Do: l.T("Wait an hour, then start again on your device.")}
	case e.Code == oauth.CodeInvalidRequestURI && errors.Is(e, oauth.ErrEnded):
		return errorView{safe: true, Makers: true, What: l.T("This was finished before"), Why: l.T("The app's request has been answered already."), Do: l.T("Go back to the app. If it asks you to sign in, begin there again.")}
	case e.Code == oauth.CodeInvalidRequestURI:
		return errorView{safe: true, Makers: true, What: l.T("This request can't be used any more"), Why: l.T("It has expired, or it was used before."), Do: l.T("Go back to the app and start again.")}
	case e.Parameter == "user_code":
		return errorView{safe: true, What: l.T("This code can't be used any more"), Why: l.T("It has expired, or it was answered already."), Do: l.T("Ask your device for a new code."), Back: "/device", BackText: l.T("Enter a code")}
	case errors.Is(e, oauth.ErrEnded):
		return errorView{safe: true, Makers: true, What: l.T("This page has expired"), Why: l.T("It was open for too long."), Do: l.T("Go back to the app and sign in again.")}
	case e.Parameter == "i":
		return errorView{safe: true, What: l.T("This page can't be continued here"), Why: l.T("It was opened in another browser, or its address is incomplete."), Do: l.T("Go back to the app and start again. Cookies must be allowed for this site."), Back: "/account", BackText: l.T("Your account")}
	}
	return errorView{}
}

// explainRequest are errors of a request that an app made.
func explainRequest(l *locale.Locale, e *oauth.Error) errorView {
	tell := l.T("Go back and try again, or tell the app's makers.")
	switch {
	case e.Parameter == "redirect_uri" && e.App != "":
		return errorView{safe: true, What: l.T("This app sent you to the wrong place"), Why: l.T("{0} asked to send you to an address it hasn't registered.", e.App), Do: tell}
	case e.Parameter == "redirect_uri":
		return errorView{safe: true, What: l.T("This app sent you to the wrong place"), Why: l.T("The app asked to send you to an address it hasn't registered."), Do: tell}
	case e.Parameter == "client_id":
		return errorView{safe: true, What: l.T("This app can't sign you in"), Why: l.T("It isn't known here, or it has been switched off."), Do: tell}
	case strings.HasPrefix(e.Parameter, "post_logout") || e.Parameter == "id_token_hint":
		return errorView{What: l.T("You weren't signed out"), Why: l.T("The app that sent you here made a request that can't be followed."), Do: l.T("Sign out on your account page instead."), Back: "/logout", BackText: l.T("Sign out")}
	}
	return errorView{safe: true, What: l.T("This request can't be answered"), Why: l.T("The app that sent you here made a request that isn't right."), Do: tell}
}

// invalidForm answers a POST whose body is no form of ours.
func (w *Web) invalidForm(rw http.ResponseWriter, r *http.Request, e *oauth.Error) {
	l := w.speak(r)
	w.showError(rw, r, http.StatusBadRequest, errorView{
		What: l.T("This form can't be read"), Why: l.T("It arrived incomplete or changed on its way. Nothing was changed."), Do: l.T("Go back, load the page again and send the form once more."),
		Code: e.Code, Detail: inDetail(l, e),
	})
}

// forbidden answers a POST that came from another site, or whose form wasn't
// made for this browser and session.
func (w *Web) forbidden(rw http.ResponseWriter, r *http.Request) {
	l := w.speak(r)
	w.showError(rw, r, http.StatusForbidden, errorView{
		What: l.T("This form is out of date"), Why: l.T("It was opened before something changed, in another browser, or on another site. Nothing was changed."),
		Do: l.T("Open the page again and send the form once more. Cookies must be allowed for this site."), Code: "forbidden",
		Back: w.reopen(r), BackText: l.T("Open the page again"),
	})
}

// reopen is where the form that was refused can be had afresh: its own path,
// which a route of ours matched, and what it was about.
func (w *Web) reopen(r *http.Request) string {
	switch {
	case r.Pattern == "" || r.Pattern == "/":
		return "/account"
	case r.URL.Path == "/language": // answers no GET
		return "/account"
	case strings.HasPrefix(r.URL.Path, "/developer/apps/"):
		return "/developer"
	case strings.HasPrefix(r.URL.Path, "/account/") && (!w.shows(r) || strings.HasPrefix(r.URL.Path, "/account/link/")): // a button of a page
		return pageOfForm(r.URL.Path)
	}
	if to := r.URL.RequestURI(); isLocal(to) {
		return to
	}
	return "/account"
}

// NotFound is the answer for what is no page, for use before the mux too.
func (w *Web) NotFound(rw http.ResponseWriter, r *http.Request) {
	l := w.speak(r)
	w.showError(rw, r, http.StatusNotFound, errorView{
		What: l.T("There is no such page"), Why: l.T("The address may be mistyped, or what it showed is gone."), Do: l.T("Start from your account."),
		Code: "not_found", Back: "/account", BackText: l.T("Your account"),
	})
}

// noSuchPage tells a wrong path from a wrong method.
func (w *Web) noSuchPage(rw http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := w.routes.Handler(probe); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		w.NotFound(rw, r)
		return
	}
	rw.Header().Set("Allow", strings.Join(allowed, ", "))
	l := w.speak(r)
	w.showError(rw, r, http.StatusMethodNotAllowed, errorView{
		What: l.T("This page doesn't take that"), Why: l.T("It was asked in a way it has no answer for."), Do: l.T("Start from your account."),
		Code: "method_not_allowed", Back: "/account", BackText: l.T("Your account"),
	})
}

func (w *Web) showError(rw http.ResponseWriter, r *http.Request, status int, view errorView) {
	view.RequestID = requestID(rw)
	w.render(rw, r, as{status: status}, "error", page{Title: view.What, D: view})
}
