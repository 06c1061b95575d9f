package valetkey_test

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
)

// TestLeakedPasswords: a service that is asked learns five characters of a hash,
// and one that doesn't answer keeps nobody out.
func TestLeakedPasswords(t *testing.T) {
	const leaked = "a password that leaked"
	sum := sha1.Sum([]byte(leaked))
	text := strings.ToUpper(hex.EncodeToString(sum[:]))
	var asked atomic.Value
	var down atomic.Bool
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path)
		if down.Load() {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprintf(w, "0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n%s:42\r\n", text[5:])
	}))
	defer service.Close()
	srv, err := valetkey.New(t.Context(), valetkey.Config{Issuer: "http://localhost:1", LeakedPasswords: service.URL, FetchAllowLoopback: true, OneOff: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	create := func(name, password string) error {
		_, err := srv.Admin().CreateUser(t.Context(), valetkey.NewUser{Username: name, Password: password})
		return err
	}
	if err := create("ada", leaked); err == nil || !strings.Contains(err.Error(), "stolen") {
		t.Errorf("a leaked password: %v", err)
	}
	if got := asked.Load(); got != "/range/"+text[:5] {
		t.Errorf("the service was asked %v", got)
	}
	if err := create("ada", "a password that did not leak"); err != nil {
		t.Errorf("another password: %v", err)
	}
	down.Store(true)
	if err := create("bob", leaked); err != nil {
		t.Errorf("while the service is down: %v", err)
	}
}

// TestBrandInLetters: the name above the pages signs the letters too.
func TestBrandInLetters(t *testing.T) {
	srv, err := valetkey.New(t.Context(), valetkey.Config{Issuer: "http://localhost:1", Mailbox: true, Brand: valetkey.Brand{Name: "Lighthouse"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	if _, _, err := srv.Admin().Invite(t.Context(), "zoe@example.com", nil); err != nil {
		t.Fatal(err)
	}
	text := ""
	for range 100 { // letters leave beside requests
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:1/mailbox", nil))
		if text = rec.Body.String(); strings.Contains(text, "zoe@example.com") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !strings.Contains(text, "You are invited to Lighthouse") || strings.Contains(text, "Valet Key") {
		t.Errorf("%s", text)
	}
}

// TestBadPeople: what can't work stops the start, with words.
func TestBadPeople(t *testing.T) {
	for want, c := range map[string]valetkey.Config{
		"isn't known": {Authenticators: []valetkey.Authenticator{{Name: "magic", Factor: 1}}},
		"needs mail":  {Authenticators: append(valetkey.DefaultAuthenticators(), valetkey.Authenticator{Name: "email", Factor: 1})},
		"no such":     {Authenticators: []valetkey.Authenticator{{Name: "password", Factor: 1, Template: "staff", Title: "Staff"}}},
		"contrast":    {Brand: valetkey.Brand{Accent: "#ffff00"}},
		"connectors":  {Connectors: []valetkey.Connector{{Name: "x", Kind: "pigeon"}}},
		"mail":        {Mail: &valetkey.Mail{URL: "smtp://localhost:1025?tls=none", From: "nobody at all"}},
	} {
		c.Issuer, c.OneOff = "http://localhost:1", true
		srv, err := valetkey.New(t.Context(), c)
		if err == nil {
			_ = srv.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
