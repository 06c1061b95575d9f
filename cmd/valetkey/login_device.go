package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// device is the answer of a device authorization endpoint: RFC 8628 §3.2.
type device struct {
	Code     string `json:"device_code"`
	UserCode string `json:"user_code"`
	Page     string `json:"verification_uri"`
	Complete string `json:"verification_uri_complete"`
	Expires  int64  `json:"expires_in"` // seconds
	Interval int64  `json:"interval"`   // seconds
}

const (
	usualInterval = 5    // RFC 8628 §3.2
	longestCode   = 3600 // seconds; no code is worth waiting for longer
)

// device signs somebody in on another device: RFC 8628 §3.
func (p *party) device(ctx context.Context, c console) (t tokens, err error) {
	d, err := p.askDevice(ctx)
	if err != nil {
		return t, err
	}
	fmt.Fprintf(c.err, "To sign in, open\n\n  %s\n\nand enter the code\n\n  %s\n\n", plain(d.Page), plain(d.UserCode))
	if d.Complete != "" {
		fmt.Fprintf(c.err, "or open this address and compare the code:\n\n  %s\n\n", plain(d.Complete))
		drawOnTerminal(c.err, d.Complete)
	}
	body, err := p.poll(ctx, d)
	if err != nil {
		return t, err
	}
	if t, err = readTokens(body, p.scope); err != nil {
		return t, err
	}
	return t, p.identify(ctx, &t, "")
}

// askDevice: RFC 8628 §3.1.
func (p *party) askDevice(ctx context.Context) (d device, err error) {
	if p.about.Device == "" {
		return d, errors.New("the server offers no sign-in on another device: it names no device_authorization_endpoint")
	}
	body, err := p.post(ctx, p.about.Device, p.asks())
	if err != nil {
		return d, fmt.Errorf("ask for a code: %w", err)
	}
	if err := json.Unmarshal(body, &d); err != nil || d.Code == "" || d.UserCode == "" {
		return d, errors.New("the server's answer has no device_code and user_code")
	}
	if err := judgeWeb(d.Page); err != nil {
		return d, fmt.Errorf("verification_uri: %w", err)
	}
	if d.Complete != "" && judgeWeb(d.Complete) != nil {
		d.Complete = ""
	}
	return d, nil
}

// poll asks until somebody decided: RFC 8628 §3.4 and §3.5. slow_down adds five
// seconds for good; a server that can't be reached is asked ever more rarely
// until it answers again.
func (p *party) poll(ctx context.Context, d device) ([]byte, error) {
	expires := min(cmp.Or(max(d.Expires, 0), int64(patience/time.Second)), longestCode)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(expires)*time.Second)
	defer cancel()
	interval := time.Duration(min(cmp.Or(max(d.Interval, 0), usualInterval), longestCode)) * time.Second
	for failures := 0; ; {
		if err := p.wait(ctx, interval<<min(failures, 4)); err != nil {
			return nil, stopped(ctx)
		}
		body, err := p.post(ctx, p.about.Token, url.Values{"grant_type": {oauth.GrantDeviceCode}, "device_code": {d.Code}})
		if err == nil {
			return body, nil
		}
		var refused *refusal
		if !errors.As(err, &refused) || refused.transient() {
			failures++
			continue
		}
		failures = 0
		switch refused.Code {
		case oauth.CodeAuthorizationPending:
		case oauth.CodeSlowDown:
			interval += 5 * time.Second
		case oauth.CodeExpiredToken:
			return nil, errors.New("the code has expired; run the command again")
		case oauth.CodeAccessDenied:
			return nil, errors.New("access was denied on the other device")
		default:
			return nil, err
		}
	}
}

// transient tells a fault on the way from an answer.
func (r *refusal) transient() bool {
	return r.Status >= http.StatusInternalServerError || r.Status == http.StatusTooManyRequests && r.Code != oauth.CodeSlowDown
}
