//go:build unix

package faults

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// device is a code of a device that its user has allowed: RFC 8628 §3.4.
func (s *swept) device() (*passing, error) {
	a, err := s.Call("/device_authorization", "", url.Values{"client_id": {"tv"}, "scope": {"orgs:read"}})
	if err != nil || a.Status != http.StatusOK {
		return nil, fmt.Errorf("%+v %w", a, err)
	}
	until := s.Clock.Now().Add(10 * time.Minute)
	page, err := s.browser.Get(a.String("verification_uri_complete"))
	for _, step := range [][2]string{{"device-form", "device-submit"}, {"consent-form", "consent-allow"}} {
		if err != nil || page.ByID(step[0]) == nil {
			return nil, fmt.Errorf("no %s: %w %+v", step[0], err, page)
		}
		page, err = s.browser.Submit(page, step[0], step[1], nil)
	}
	if err != nil || page.ByID("device-done") == nil {
		return nil, fmt.Errorf("not allowed: %w %+v", err, page)
	}
	poll := url.Values{"grant_type": {oauth.GrantDeviceCode}, "client_id": {"tv"}, "device_code": {a.String("device_code")}}
	return &passing{use: func() (bool, error) {
		a, err := s.Call("/token", "", poll)
		switch {
		case err != nil:
			return false, err
		case a.Status == http.StatusOK:
			return true, nil
		case a.Status == http.StatusBadRequest && (a.String("error") == "expired_token" || a.String("error") == "invalid_grant" || a.String("error") == "slow_down"):
			return false, nil
		}
		return false, fmt.Errorf("%d %s", a.Status, a.Body)
	}, until: until}, nil
}

// letterLife is how long the links of letters work.
const letterLife = 30 * time.Minute

// letter makes an account, asks on a page for a letter to it, and returns the
// letter's link with the browser that asked.
func (s *swept) letter(page, form string) (link string, b *harness.Browser, err error) {
	s.people++
	name := fmt.Sprint("reader", s.people)
	if _, err := s.Admin().CreateUser(context.Background(), valetkey.NewUser{
		Username: name, Email: name + "@example.com", Claims: map[string]any{"email_verified": true},
	}); err != nil {
		return "", nil, err
	}
	if b, err = harness.OpenBrowser(s.URL); err != nil {
		return "", nil, err
	}
	asked, err := b.Get(page)
	if err == nil {
		asked, err = b.Submit(asked, form, form+"-submit", url.Values{"username": {name}})
	}
	if err != nil || asked.Status != http.StatusOK {
		return "", nil, fmt.Errorf("no letter at %s: %w %+v", page, err, asked)
	}
	for range 200 {
		box, err := b.Get("/mailbox")
		if err != nil {
			return "", nil, err
		}
		if at := strings.Index(box.Body, ">"+name+"@example.com"); at > 0 {
			path, _, _ := strings.Cut(box.Body[strings.LastIndex(box.Body[:at], "/mailbox/"):], `"`)
			read, err := b.Get(path)
			if err != nil {
				return "", nil, err
			}
			for _, word := range strings.Fields(read.TextOf("letter")) {
				if strings.HasPrefix(word, s.Issuer) && strings.Contains(word, "?t=") {
					return strings.TrimPrefix(word, s.Issuer), b, nil
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", nil, fmt.Errorf("no letter came to %s", name)
}

// opened follows a link and sends its form. A dead link is 410 at either; who
// takes too long signs in anew.
func opened(b *harness.Browser, link, form string, change url.Values) (bool, error) {
	page, err := b.Get(link)
	if err == nil && page.ByID(form) != nil {
		page, err = b.Submit(page, form, form+"-submit", change)
	}
	switch {
	case err != nil:
		return false, err
	case page.Status == http.StatusGone, page.Status == http.StatusUnauthorized: // minutes may pass between page and form
		return false, nil
	case page.Status == http.StatusOK && page.ByID(form) == nil:
		return true, nil
	}
	return false, fmt.Errorf("%d %s", page.Status, page.Text())
}

// emailed is a letter by which somebody signs in.
func (s *swept) emailed() (*passing, error) {
	link, b, err := s.letter("/login/email", "email-form")
	if err != nil {
		return nil, err
	}
	return &passing{use: func() (bool, error) { return opened(b, link, "email-link-form", nil) }, until: s.Clock.Now().Add(letterLife)}, nil
}

// reset is a letter by which somebody sets a new password.
func (s *swept) reset() (*passing, error) {
	link, b, err := s.letter("/forgot", "forgot-form")
	if err != nil {
		return nil, err
	}
	return &passing{use: func() (bool, error) {
		s.hashing.Lock() // more at once would be told that the server is busy
		defer s.hashing.Unlock()
		return opened(b, link, "reset-form", url.Values{"password": {"the password that I chose anew"}})
	}, until: s.Clock.Now().Add(letterLife)}, nil
}
