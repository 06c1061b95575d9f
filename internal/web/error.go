package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

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
	view := explain(e)
	view.Code, view.Detail = e.Code, e.Description
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
func explain(e *oauth.Error) errorView {
	nothing := "Nothing was shared."
	tell := "Go back and try again, or tell the app's makers."
	app := "The app"
	if e.App != "" {
		app = e.App
	}
	switch {
	case e.Code == oauth.CodeTemporarilyUnavailable:
		return errorView{What: "The server is busy", Why: "It can't answer just now. " + nothing, Do: "Wait a few seconds and load this page again."}
	case e.Code == oauth.CodeServerError:
		return errorView{What: "Something went wrong here", Why: "The server met an error of its own. " + nothing, Do: "Try again. If it happens again, tell the operator, with the request id below."}
	case e.Code == oauth.CodeTooManyRequests:
		return errorView{What: "Too many tries", Why: "This browser or address has tried too often. " + nothing, Do: "Wait an hour, then start again on your device."}
	case e.Code == oauth.CodeInvalidRequestURI && errors.Is(e, oauth.ErrEnded):
		return errorView{What: "This was finished before", Why: "The app's request has been answered already. " + nothing, Do: "Go back to the app. If it asks you to sign in, begin there again."}
	case e.Code == oauth.CodeInvalidRequestURI:
		return errorView{What: "This request can't be used any more", Why: "It has expired, or it was used before. " + nothing, Do: "Go back to the app and start again."}
	case e.Parameter == "user_code":
		return errorView{What: "This code can't be used any more", Why: "It has expired, or it was answered already. " + nothing, Do: "Ask your device for a new code.", Back: "/device", BackText: "Enter a code"}
	case errors.Is(e, oauth.ErrEnded):
		return errorView{What: "This page has expired", Why: "It was open for too long. " + nothing, Do: "Go back to the app and sign in again."}
	case e.Parameter == "i":
		return errorView{What: "This page can't be continued here", Why: "It was opened in another browser, or its address is incomplete. " + nothing, Do: "Go back to the app and start again. Cookies must be allowed for this site."}
	case e.Parameter == "redirect_uri":
		return errorView{What: "This app sent you to the wrong place", Why: app + " asked to send you to an address it hasn't registered. " + nothing, Do: tell}
	case e.Parameter == "client_id":
		return errorView{What: "This app can't sign you in", Why: "It isn't known here, or it has been switched off. " + nothing, Do: tell}
	case strings.HasPrefix(e.Parameter, "post_logout") || e.Parameter == "id_token_hint":
		return errorView{What: "You weren't signed out", Why: "The app that sent you here made a request that can't be followed.", Do: "Sign out on your account page instead.", Back: "/logout", BackText: "Sign out"}
	}
	return errorView{What: "This request can't be answered", Why: "The app that sent you here made a request that isn't right. " + nothing, Do: tell}
}

// invalidForm answers a POST whose body is no form of ours.
func (w *Web) invalidForm(rw http.ResponseWriter, r *http.Request, e *oauth.Error) {
	w.showError(rw, r, http.StatusBadRequest, errorView{
		What: "This form can't be read", Why: "It arrived incomplete or changed on its way. Nothing was changed.", Do: "Go back, load the page again and send the form once more.",
		Code: e.Code, Detail: e.Description,
	})
}

// forbidden answers a POST that came from another site, or whose form wasn't
// made for this browser and session.
func (w *Web) forbidden(rw http.ResponseWriter, r *http.Request) {
	w.showError(rw, r, http.StatusForbidden, errorView{
		What: "This form is out of date", Why: "It was opened before something changed, in another browser, or on another site. Nothing was changed.",
		Do: "Open the page again and send the form once more. Cookies must be allowed for this site.", Code: "forbidden",
		Back: reopen(r), BackText: "Open the page again",
	})
}

// reopen is where the form that was refused can be had afresh: its own path,
// which a route of ours matched, and the envelope it was about.
func reopen(r *http.Request) string {
	if !strings.HasPrefix(r.URL.Path, "/") || strings.HasPrefix(r.URL.Path, "//") || r.Pattern == "" || r.Pattern == "/" {
		return "/account"
	}
	if strings.HasPrefix(r.URL.Path, "/developer/apps/") {
		return "/developer"
	}
	return pathWith(r.URL.Path, "i", r.URL.Query().Get("i"))
}

// NotFound is the answer for what is no page, for use before the mux too.
func (w *Web) NotFound(rw http.ResponseWriter, r *http.Request) {
	w.showError(rw, r, http.StatusNotFound, errorView{
		What: "There is no such page", Why: "The address may be mistyped, or what it showed is gone.", Do: "Start from your account.",
		Code: "not_found", Back: "/account", BackText: "Your account",
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
	w.showError(rw, r, http.StatusMethodNotAllowed, errorView{
		What: "This page doesn't take that", Why: "It was asked in a way it has no answer for.", Do: "Start from your account.",
		Code: "method_not_allowed", Back: "/account", BackText: "Your account",
	})
}

func (w *Web) showError(rw http.ResponseWriter, r *http.Request, status int, view errorView) {
	view.RequestID = requestID(rw)
	w.render(rw, r, as{status: status}, "error", page{Title: view.What, D: view})
}
