package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
)

// redeemDeviceCode: RFC 8628 §3.4, §3.5. As with a code, the insert of issue
// makes an approved one once-only.
func redeemDeviceCode(ctx context.Context, s *Server, call *TokenCall) (*TokenResponse, error) {
	c, sent := call.Client, call.Request.Get("device_code")
	if sent == "" {
		return nil, invalidRequest("device_code is missing").about("device_code")
	}
	device, err := s.Store.PollDevice(ctx, secret.Hash(sent), c.ID, s.Now())
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, invalidGrant("device_code is not valid for this app").about("device_code")
	case err != nil:
		return nil, err
	case s.fromBefore(device.CreatedAt):
		return nil, newError(CodeExpiredToken, "device_code is from before this server was restored from a backup; begin again").about("device_code")
	}
	if err := deviceState(&device, s.Now()); err != nil {
		return nil, err
	}
	content, err := s.boxes.device.Open(string(device.Grant), append([]byte("grant\x00"), device.UserHash...))
	if err != nil {
		return nil, invalidGrant("device_code is not valid any more").about("device_code").because(err)
	}
	var code sealedCode
	if err := json.Unmarshal(content, &code); err != nil {
		return nil, err
	}
	return s.issueDevice(ctx, call, &code)
}

// deviceState: RFC 8628 §3.5.
func deviceState(d *Device, now time.Time) *Error {
	switch {
	case d.Decision == DeviceDenied:
		return newError(CodeAccessDenied, "the user did not allow it").about("device_code")
	case !now.Before(d.ExpiresAt):
		return newError(CodeExpiredToken, "device_code has expired; begin again").about("device_code")
	case d.TooSoon:
		return newError(CodeSlowDown, "poll every %d seconds from now on", d.Interval)
	case d.Decision == DevicePending:
		return newError(CodeAuthorizationPending, "the user has not answered yet")
	}
	return nil
}

func (s *Server) issueDevice(ctx context.Context, call *TokenCall, code *sealedCode) (*TokenResponse, error) {
	is, err := s.codeIssuance(ctx, call, code)
	if err != nil {
		return nil, err
	}
	answer, err := s.issue(ctx, is)
	switch {
	case errors.Is(err, ErrReplayed):
		return nil, invalidGrant("device_code was redeemed before").about("device_code")
	case errors.Is(err, ErrEnded):
		return nil, invalidGrant("device_code was withdrawn: the user, the app or the consent has changed").about("device_code")
	case err != nil:
		return nil, err
	}
	s.notify(ctx, Event{Kind: EventIssued, ClientID: call.Client.ID, Subject: code.Subject, Session: code.SessionID, Scopes: is.scopes, GrantType: GrantDeviceCode})
	return answer, nil
}
