package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

type dataView struct {
	Form    string
	Problem string
}

func (w *Web) showData(v *visit) {
	w.show(v, as{}, "account_data", page{Title: v.l.T("Your data"), Section: "data", D: dataView{Form: w.token(v, "data")}})
}

// copyOfData is all that is kept about a person, in a form that programs read:
// GDPR art. 20. What proves somebody to be who they are isn't in it.
type copyOfData struct {
	MadeAt        time.Time           `json:"made_at"`
	Issuer        string              `json:"issuer"`
	Account       accountData         `json:"account"`
	Claims        oauth.Claims        `json:"claims"`
	Passkeys      []passkeyData       `json:"passkeys"`
	Authenticator []totpData          `json:"authenticator_apps"`
	Recovery      recoveryData        `json:"recovery_codes"`
	Linked        []linkedData        `json:"linked_accounts"`
	Sessions      []sessionData       `json:"sessions"`
	Browsers      []browserData       `json:"browsers"`
	Consents      []consentData       `json:"consents"`
	Access        []authorizationData `json:"authorizations"`
	Apps          []appData           `json:"apps"`
	Activity      []activityData      `json:"activity"`
}

type accountData struct {
	Subject       string              `json:"sub"`
	Username      string              `json:"username"`
	Email         string              `json:"email,omitempty"`
	EmailVerified bool                `json:"email_verified"`
	Administrator bool                `json:"administrator"`
	Groups        map[string][]string `json:"groups,omitempty"` // by who says so
	HasPassword   bool                `json:"has_password"`
	TwoStep       bool                `json:"two_step"`
	CreatedAt     time.Time           `json:"created_at"`
	UpdatedAt     time.Time           `json:"updated_at"`
}

type passkeyData struct {
	Name        string    `json:"name"`
	CreatedAt   time.Time `json:"created_at"`
	UsedAt      time.Time `json:"last_used_at,omitzero"`
	UsedAgent   string    `json:"last_used_user_agent,omitempty"`
	UsedAddress string    `json:"last_used_address,omitempty"`
}

type totpData struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"last_used_at,omitzero"`
}

type recoveryData struct {
	Left int `json:"left"`
	Used int `json:"used"`
}

type linkedData struct {
	Provider  string    `json:"provider"`
	Issuer    string    `json:"issuer"`
	Subject   string    `json:"sub"`
	Label     string    `json:"known_as"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"last_used_at,omitzero"`
}

type sessionData struct {
	Way       string    `json:"way"`
	AuthTime  time.Time `json:"auth_time"`
	ACR       string    `json:"acr"`
	AMR       []string  `json:"amr"`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"last_seen_at"`
	ExpiresAt time.Time `json:"expires_at"`
	UserAgent string    `json:"user_agent"`
	Address   string    `json:"address"`
}

type browserData struct {
	FirstAt      time.Time `json:"first_seen_at"`
	SeenAt       time.Time `json:"last_seen_at"`
	TrustedUntil time.Time `json:"trusted_until,omitzero"`
	UserAgent    string    `json:"user_agent"`
	Address      string    `json:"address"`
}

type consentData struct {
	ClientID string    `json:"client_id"`
	App      string    `json:"app"`
	Scopes   []string  `json:"scopes"`
	Declined []string  `json:"declined,omitempty"`
	Since    time.Time `json:"since"`
	UsedAt   time.Time `json:"last_used_at,omitzero"`
}

type authorizationData struct {
	ClientID    string    `json:"client_id"`
	Scopes      []string  `json:"scopes"`
	Resources   []string  `json:"resources,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	RefreshedAt time.Time `json:"refreshed_at,omitzero"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	EndReason   string    `json:"end_reason,omitempty"`
	Live        bool      `json:"live"`
}

// appData is an app of the person's own: RFC 7591 §2.
type appData struct {
	ClientID  string         `json:"client_id"`
	CreatedAt time.Time      `json:"created_at"`
	Metadata  oauth.Metadata `json:"metadata"`
}

type activityData struct {
	Kind      login.ActivityKind `json:"kind"`
	At        time.Time          `json:"at"`
	Detail    string             `json:"detail,omitempty"`
	UserAgent string             `json:"user_agent,omitempty"`
	Address   string             `json:"address,omitempty"`
}

// postData answers with the copy. That it was taken is noted first, and told to
// its owner.
func (w *Web) postData(v *visit) {
	a, ok := w.actor(v, "/account/data")
	if !ok {
		return
	}
	data, err := w.copyOf(v)
	var text []byte
	if err == nil {
		text, err = json.MarshalIndent(data, "", "  ")
	}
	if err == nil {
		err = w.Login.Downloaded(v.r.Context(), a)
	}
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.secureHeaders(v.rw, formSelf)
	h := v.rw.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="account-data-`+data.MadeAt.Format(time.DateOnly)+`.json"`)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	v.rw.WriteHeader(http.StatusOK)
	_, _ = v.rw.Write(text) // the browser may have gone
}

func (w *Web) copyOf(v *visit) (copyOfData, error) {
	u := v.user
	out := copyOfData{MadeAt: w.Now().UTC(), Issuer: w.Issuer, Account: accountData{
		Subject: u.Subject, Username: u.Username, Email: u.Email, EmailVerified: u.EmailVerified, Administrator: u.Admin, Groups: u.Memberships,
		HasPassword: u.Password != "", TwoStep: u.TwoStep, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}}
	out.Passkeys, out.Authenticator, out.Linked, out.Sessions, out.Browsers = []passkeyData{}, []totpData{}, []linkedData{}, []sessionData{}, []browserData{}
	out.Consents, out.Access, out.Apps, out.Activity = []consentData{}, []authorizationData{}, []appData{}, []activityData{}
	for _, read := range []func(*visit, *copyOfData) error{w.copyClaims, w.copyFactors, w.copySessions, w.copyAccess, w.copyApps, w.copyActivity} {
		if err := read(v, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (w *Web) copyClaims(v *visit, out *copyOfData) (err error) {
	out.Claims, err = w.Login.Claims(v.r.Context(), v.user.Subject)
	return err
}

func (w *Web) copyFactors(v *visit, out *copyOfData) error {
	ctx, subject := v.r.Context(), v.user.Subject
	keys, err1 := w.Store.Passkeys(ctx, subject)
	apps, err2 := w.Store.TOTPs(ctx, subject)
	codes, err3 := w.Store.RecoveryCodes(ctx, subject)
	linked, err4 := w.Store.Identities(ctx, subject)
	for _, k := range keys {
		out.Passkeys = append(out.Passkeys, passkeyData{k.Name, k.CreatedAt, k.UsedAt, k.UsedAgent, k.UsedAddress})
	}
	for _, t := range apps {
		out.Authenticator = append(out.Authenticator, totpData{t.Name, t.CreatedAt, t.UsedAt})
	}
	for _, c := range codes {
		if c.UsedAt.IsZero() {
			out.Recovery.Left++
		} else {
			out.Recovery.Used++
		}
	}
	for _, i := range linked {
		out.Linked = append(out.Linked, linkedData{i.Connector, i.Issuer, i.Upstream, i.Label, i.CreatedAt, i.UsedAt})
	}
	return errors.Join(err1, err2, err3, err4)
}

func (w *Web) copySessions(v *visit, out *copyOfData) error {
	sessions, err1 := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	browsers, err2 := w.Store.Browsers(v.r.Context(), v.user.Subject)
	for _, s := range sessions {
		out.Sessions = append(out.Sessions, sessionData{s.Way, s.AuthTime, s.ACR, s.AMR, s.CreatedAt, s.SeenAt, s.ExpiresAt, s.UserAgent, s.Address})
	}
	for _, b := range browsers {
		out.Browsers = append(out.Browsers, browserData{b.FirstAt, b.SeenAt, b.TrustedUntil, b.UserAgent, b.Address})
	}
	return errors.Join(err1, err2)
}

func (w *Web) copyAccess(v *visit, out *copyOfData) error {
	ctx, subject := v.r.Context(), v.user.Subject
	agreed, err := w.Store.Connections(ctx, subject)
	if err != nil {
		return err
	}
	for _, c := range agreed {
		consent, err := w.Store.Consent(ctx, subject, c.ClientID)
		if err != nil {
			return err
		}
		one := consentData{ClientID: c.ClientID, Scopes: c.Scopes, Declined: consent.Declined, Since: c.Since, UsedAt: c.LastUsed}
		if client, err := w.Store.Client(ctx, c.ClientID); err == nil {
			one.App = client.Name
		}
		out.Consents = append(out.Consents, one)
	}
	given, err := w.Store.Authorizations(ctx, subject)
	for _, a := range given {
		out.Access = append(out.Access, authorizationData{a.ClientID, a.Scopes, a.Resources, a.CreatedAt, a.RotatedAt, a.EndedAt, a.EndReason, a.Live})
	}
	return err
}

func (w *Web) copyApps(v *visit, out *copyOfData) error {
	apps, err := w.Store.ListClients(v.r.Context(), &v.user.Subject, "", maxApps)
	for _, c := range apps {
		out.Apps = append(out.Apps, appData{ClientID: c.ID, CreatedAt: c.CreatedAt, Metadata: c.Metadata})
	}
	return err
}

func (w *Web) copyActivity(v *visit, out *copyOfData) error {
	found, err := w.Store.Activities(v.r.Context(), v.user.Subject, 10_000)
	for _, a := range found {
		out.Activity = append(out.Activity, activityData{a.Kind, a.At, a.Detail, a.UserAgent, a.Address})
	}
	return err
}
