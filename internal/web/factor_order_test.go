package web

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// TestKindOf: the page opens with what was chosen, else with the first of the
// person's factors in the operator's order.
func TestKindOf(t *testing.T) {
	all := login.Has{Passkey: true, TOTP: true, Recovery: true}
	for _, c := range []struct {
		name   string
		order  []string // of the chain
		has    login.Has
		chosen string
		want   string
	}{
		{"as it is by default", nil, all, "", login.WayTOTP},
		{"by order", []string{login.WayPasskey, login.WayTOTP, login.WayRecovery}, all, "", login.WayPasskey},
		{"the first that there is", []string{login.WayPasskey, login.WayTOTP, login.WayRecovery}, login.Has{TOTP: true, Recovery: true}, "", login.WayTOTP},
		{"a passkey alone", []string{login.WayTOTP, login.WayPasskey}, login.Has{Passkey: true}, "", login.WayPasskey},
		{"chosen", []string{login.WayPasskey, login.WayTOTP, login.WayRecovery}, all, login.WayRecovery, login.WayRecovery},
		{"chosen, but not there", []string{login.WayPasskey, login.WayTOTP}, login.Has{TOTP: true}, login.WayPasskey, login.WayTOTP},
		{"codes first", []string{login.WayRecovery, login.WayTOTP}, all, "", login.WayRecovery},
		{"made up", nil, all, "fingerprint", login.WayTOTP},
	} {
		s := &login.Service{Chain: login.DefaultChain()}
		if c.order != nil {
			s.Chain = nil
			for i, name := range slices.Backward(c.order) { // their order isn't where they stand
				s.Chain = append(s.Chain, login.Authenticator{Name: name, Factor: 2, Order: i})
			}
		}
		if got := kindOf(s.Ordered(c.has), c.chosen); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestOwnTitleInSessions: people know a way in by the words of its button.
func TestOwnTitleInSessions(t *testing.T) {
	pages := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(pages, "badge.html"), []byte(`<form action="{{.D.Action}}"></form>`), 0o600))
	h := newHouse(t, func(c *Config) {
		badge := login.Authenticator{Name: "badge", Factor: 1, Template: "badge", Title: "Hold your badge to the reader"}
		c.Overlay = pages
		c.Login.Chain = append(slices.Clone(c.Login.Chain), badge)
	})
	for way, want := range map[string]string{"badge": "Hold your badge to the reader", "gone": "gone"} {
		if got := h.wayInWords(h.speak(h.request(h.visitor())), way, false); got != want {
			t.Errorf("%s: %q", way, got)
		}
	}
	if got := h.titleOf("badge"); got != "Hold your badge to the reader" {
		t.Errorf("%q", got)
	}
}

// TestWantsACR: a provider is asked for what the app asks for, and for what its
// operator demands of it.
func TestWantsACR(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		factors      int
		asked, wants []string
	}{
		{0, nil, nil},
		{0, []string{"2"}, []string{"2"}},
		{0, []string{"urn:bank", "1"}, []string{"urn:bank", "1"}},
		{2, nil, []string{"2"}},
		{2, []string{"2", "urn:bank"}, []string{"2", "urn:bank"}},
		{2, []string{"urn:bank"}, []string{"urn:bank", "2"}},
	} {
		e := entry{app: true, waiting: waiting{Client: &oauth.Client{}, Interaction: &oauth.Interaction{}}}
		e.Client.Factors, e.Request.ACRValues = c.factors, c.asked
		if got := h.wantsACR(e); !slices.Equal(got, c.wants) {
			t.Errorf("%d factors, %q: %q", c.factors, c.asked, got)
		}
	}
}
