package web

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// safetyView is all by which somebody proves themselves.
type safetyView struct {
	Problem   string
	Elsewhere bool // the password is an embedder's user base's

	Passwords    bool // people sign in with one here
	Password     bool
	DropPassword string // form token; "" when it can't go
	Email        bool   // and by mail

	Passkeys     []passkeyRow
	TakesPasskey bool
	Rename       string
	DropPasskey  string

	TOTPs     []totpRow
	TakesTOTP bool
	DropTOTP  string

	Factor   bool // there is a second factor
	Codes    bool // recovery codes stand in for one here
	Left     int
	Recovery string
	TwoStep  bool
	Demanded bool // the operator asks for two, whatever the person wants
	Switch   string
	Trusted  []browserRow
	Forget   string

	Linked  []linkedRow
	Unlink  string
	Linking []linkingRow
}

type passkeyRow struct {
	N                    int
	ID, Name             string
	At, Used             time.Time
	UsedAgent, UsedPlace string
}

type totpRow struct {
	N        int
	ID, Name string
	At, Used time.Time
}

type browserRow struct {
	Agent, Address string
	Seen, Until    time.Time
}

type linkedRow struct {
	N                           int
	Title, Label, Issuer, There string
	At, Used                    time.Time
}

// linkingRow is another provider of which an account can be linked.
type linkingRow struct {
	Name, Title, Form string
	Directory         bool // it asks for a password on a page of ours
}

// parts are those that the page has. What stood in another is said at its top.
func (s *safetyView) parts() map[string]bool {
	return map[string]bool{
		"password": s.Passwords && !s.Elsewhere, "passkeys": s.TakesPasskey || len(s.Passkeys) > 0, "linked": len(s.Linking)+len(s.Linked) > 0,
		"two-step": true, "authenticators": s.TakesTOTP || len(s.TOTPs) > 0, "recovery": s.Codes && s.Factor, "browsers": true,
	}
}

func (w *Web) showSafety(v *visit) { w.renderSafety(v, http.StatusOK, "") }

func (w *Web) renderSafety(v *visit, status int, problem string) {
	view := safetyView{Problem: problem, Elsewhere: w.Login.Elsewhere(v.user), Passwords: w.Login.Offers(login.WayPassword, 1, nil), Password: v.user.Password != ""}
	view.Email = w.Login.Offers(login.WayEmail, 1, nil) && w.Login.Post.Enabled()
	for _, read := range []func(*visit, *safetyView) error{w.viewPassword, w.viewPasskeys, w.viewTOTPs, w.viewSecondStep, w.viewLinked} {
		if err := read(v, &view); err != nil {
			w.fail(v.rw, v.r, err)
			return
		}
	}
	how := as{status: status}
	if slices.ContainsFunc(view.Linking, func(l linkingRow) bool { return !l.Directory }) {
		how.formAction = formClient(w.Issuer) // a button leads on to another provider
	}
	said := w.takeDone(v)
	if !view.parts()[said.Part] {
		said.Part = ""
	}
	w.show(v, how, "account_security", page{Title: v.l.T("Security"), Section: "security", Done: said, D: view})
}

func (w *Web) viewPassword(v *visit, view *safetyView) error {
	can, err := w.Login.CanDropPassword(v.r.Context(), v.user)
	if can {
		view.DropPassword = w.token(v, "password-remove")
	}
	return err
}

func (w *Web) viewPasskeys(v *visit, view *safetyView) error {
	view.TakesPasskey = w.takesPasskeys()
	view.Rename, view.DropPasskey = w.token(v, "passkey-rename"), w.token(v, "passkey-remove")
	keys, err := w.Store.Passkeys(v.r.Context(), v.user.Subject)
	for i, k := range keys {
		view.Passkeys = append(view.Passkeys, passkeyRow{
			N: i + 1, ID: login.PasskeyID(k.ID), Name: factorName(v.l, k.Name), At: k.CreatedAt, Used: k.UsedAt, UsedAgent: k.UsedAgent, UsedPlace: k.UsedAddress,
		})
	}
	return err
}

// factorName is what its owner calls a factor; the names that it has until then
// are ours.
func factorName(l *locale.Locale, name string) string {
	switch name {
	case "Passkey":
		return l.T("Passkey")
	case "Security key":
		return l.T("Security key")
	case "Authenticator app":
		return l.T("Authenticator app")
	}
	return name
}

// takesPasskeys says whether people may prove themselves by one, at either step.
func (w *Web) takesPasskeys() bool {
	return w.Login.TakesPasskeys() && (w.Login.Offers(login.WayPasskey, 1, nil) || w.Login.Offers(login.WayPasskey, 2, nil))
}

func (w *Web) viewTOTPs(v *visit, view *safetyView) error {
	view.TakesTOTP, view.DropTOTP = w.Login.Offers(login.WayTOTP, 2, nil), w.token(v, "totp-remove")
	apps, err := w.Store.TOTPs(v.r.Context(), v.user.Subject)
	for i, t := range apps {
		view.TOTPs = append(view.TOTPs, totpRow{N: i + 1, ID: t.ID, Name: factorName(v.l, t.Name), At: t.CreatedAt, Used: t.UsedAt})
	}
	return err
}

func (w *Web) viewSecondStep(v *visit, view *safetyView) error {
	has, err1 := w.Login.SecondFactors(v.r.Context(), v.user.Subject, nil)
	left, err2 := w.Login.RecoveryLeft(v.r.Context(), v.user.Subject)
	browsers, err3 := w.Store.Browsers(v.r.Context(), v.user.Subject)
	view.Factor, view.Left, view.Codes = has.Passkey || has.TOTP, left, w.Login.Offers(login.WayRecovery, 2, nil)
	view.TwoStep, view.Demanded = v.user.TwoStep, w.Login.Demand(v.user.Groups()) == oauth.TwoFactors
	view.Recovery, view.Switch, view.Forget = w.token(v, "recovery"), w.token(v, "two-step"), w.token(v, "browsers")
	for _, b := range browsers {
		if b.TrustedUntil.After(w.Now()) {
			view.Trusted = append(view.Trusted, browserRow{Agent: b.UserAgent, Address: b.Address, Seen: b.SeenAt, Until: b.TrustedUntil})
		}
	}
	return errors.Join(err1, err2, err3)
}

func (w *Web) viewLinked(v *visit, view *safetyView) error {
	view.Unlink = w.token(v, "unlink")
	linked, err := w.Store.Identities(v.r.Context(), v.user.Subject)
	for i, one := range linked {
		view.Linked = append(view.Linked, linkedRow{
			N: i + 1, Title: w.titleOf(one.Connector), Label: one.Label, Issuer: one.Issuer, There: one.Upstream, At: one.CreatedAt, Used: one.UsedAt,
		})
	}
	if w.Login.Offers(login.WayConnector, 1, nil) {
		for _, c := range w.connectors(entry{}) {
			view.Linking = append(view.Linking, linkingRow{Name: c.Name, Title: c.Title, Form: w.tokenFor(v, "link-to", c.Name), Directory: !c.Redirects()})
		}
	}
	return err
}

// safetyChanged answers a button of the security page: it comes back to the part
// of the page that it stood in and says what was done, or why nothing was.
func (w *Web) safetyChanged(v *visit, part string, kind login.ActivityKind, err error) {
	if err == nil || errors.Is(err, oauth.ErrNotFound) { // it was somebody else's, or is gone already
		w.did(v, "/account/security", part, w.happened(v, kind))
		return
	}
	w.safetyKept(v, err)
}

// safetyKept says why nothing was changed.
func (w *Web) safetyKept(v *visit, err error) {
	problem, status, ok := w.refused(v, err)
	if !ok {
		w.fail(v.rw, v.r, err)
		return
	}
	w.renderSafety(v, status, problem)
}

// wayInWords says how a session was begun.
func (w *Web) wayInWords(l *locale.Locale, way string, two bool) string {
	words := map[string]string{
		login.WayPassword: l.T("Password"), login.WayPasskey: l.T("Passkey"), login.WayEmail: l.T("Code by email"), "": "",
	}
	text, known := words[way]
	if !known {
		text = w.titleOf(way)
	}
	if two && way != login.WayPasskey && text != "" {
		return l.T("{0} and a second step", text)
	}
	return text
}
