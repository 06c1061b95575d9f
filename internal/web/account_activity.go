package web

import (
	"time"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
)

// How much of an account's history is shown. Older lines are swept.
const (
	maxHistory = 100
	historyFor = 90 * 24 * time.Hour
)

type historyView struct {
	Rows   []historyRow
	NotMe  string
	Others int // other sessions
}

type historyRow struct {
	What, Agent, Address string
	At                   time.Time
}

// showHistory lists what happened to the account.
func (w *Web) showHistory(v *visit) {
	found, err := w.history(v)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	view := historyView{}
	for _, a := range found {
		view.Rows = append(view.Rows, historyRow{What: w.activityInWords(v.l, a), Agent: a.UserAgent, Address: a.Address, At: a.At})
	}
	w.show(v, as{}, "account_activity", page{Title: v.l.T("Recent activity"), Section: "activity", D: view})
}

func (w *Web) history(v *visit) ([]login.Activity, error) {
	found, err := w.Store.Activities(v.r.Context(), v.user.Subject, maxHistory)
	if err != nil {
		return nil, err
	}
	for i, a := range found {
		if w.Now().Sub(a.At) > historyFor {
			return found[:i], nil
		}
	}
	return found, nil
}

func (w *Web) activityInWords(l *locale.Locale, a login.Activity) string {
	switch a.Kind {
	case login.DidChangePassword:
		return l.T("Your password was changed")
	case login.DidSetPassword:
		return l.T("A password was set")
	case login.DidRemovePassword:
		return l.T("Your password was removed")
	case login.DidResetPassword:
		return l.T("Your password was reset by a link")
	case login.DidEnterByOperator:
		return l.T("A password was set by an operator's link")
	case login.DidMakeCodes:
		return l.T("New recovery codes were made")
	case login.DidUseCode:
		return l.T("A recovery code was used")
	case login.DidSwitchTwoStep:
		if a.Detail == "off" {
			return l.T("The second step was switched off")
		}
		return l.T("The second step was switched on")
	case login.DidChangeProfile:
		return l.T("Your profile was changed")
	case login.DidLock:
		return l.T("Your account was locked")
	case login.DidUnlock:
		return l.T("Your account was unlocked")
	case login.DidSignInNew:
		return l.T("You signed in in a new browser")
	case login.DidForgetBrowsers:
		return l.T("Browsers were forgotten: each asks for the second step again")
	case login.DidDownload:
		return l.T("Your data was downloaded")
	case login.DidGuess:
		return l.T("Somebody who knew your password guessed at your second step")
	default:
		return w.namedInWords(l, a)
	}
}

// namedInWords are those that name a factor, a provider or an address.
func (w *Web) namedInWords(l *locale.Locale, a login.Activity) string {
	switch a.Kind {
	case login.DidAddPasskey:
		return l.T("The passkey “{0}” was added", factorName(l, a.Detail))
	case login.DidRemovePasskey:
		return l.T("The passkey “{0}” was removed", factorName(l, a.Detail))
	case login.DidRollBack:
		return l.T("The passkey “{0}” was refused: it may have been copied", factorName(l, a.Detail))
	case login.DidAddTOTP:
		return l.T("The authenticator app “{0}” was added", factorName(l, a.Detail))
	case login.DidRemoveTOTP:
		return l.T("The authenticator app “{0}” was removed", factorName(l, a.Detail))
	case login.DidLink:
		return l.T("Your account at {0} was linked", w.titleOf(a.Detail))
	case login.DidUnlink:
		return l.T("Your account at {0} was unlinked", w.titleOf(a.Detail))
	case login.DidChangeEmail:
		return l.T("Your email address was changed to {0}", a.Detail)
	case login.DidVerifyEmail:
		return l.T("Your email address {0} was confirmed", a.Detail)
	default:
		return string(a.Kind)
	}
}

// showNotMe is what "This wasn't me" opens: one button that ends all but this
// session, and then the password, of which somebody else may know.
func (w *Web) showNotMe(v *visit) {
	sessions, err := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.show(v, as{}, "account_not_me", page{Title: v.l.T("This wasn't you?"), Section: "activity", D: historyView{NotMe: w.token(v, "not-me"), Others: len(sessions) - 1}})
}

// postNotMe needs no fresh proof: whoever is locked out by it comes in again by
// what they know, and somebody who doesn't know it stays out.
func (w *Web) postNotMe(v *visit) {
	err := w.ending(v, func() error { return w.Login.EndElsewhere(v.r.Context(), v.rec, v.user, w.visitor(v.r)) })
	if err != nil {
		problem, status, known := w.refused(v, err)
		if !known {
			w.fail(v.rw, v.r, err)
			return
		}
		w.renderSafety(v, status, problem)
		return
	}
	if w.Login.Elsewhere(v.user) || !w.Login.Offers(login.WayPassword, 1, nil) {
		w.redirect(v.rw, v.r, "/account/security")
		return
	}
	w.redirect(v.rw, v.r, pathWith("/account/password", "ended", "1"))
}
