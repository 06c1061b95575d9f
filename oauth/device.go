package oauth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
)

// DeviceResponse: RFC 8628 §3.2.
type DeviceResponse struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"` // seconds
	Interval                int64  `json:"interval"`   // seconds
}

// How many devices may wait at once, how often they may ask, and how often a
// person may mistype: RFC 8628 §5.1, §5.2.
const (
	devicesPerClient  = 10_000
	devicesPerAddress = 100 // of a network
	deviceInterval    = 5
	wrongPerBrowser   = 10
	wrongPerAddress   = 30
	wrongSpan         = time.Hour
)

// userCodeLetters: RFC 8628 §6.1, no vowels that spell words and nothing that
// looks like another. Eight of twenty letters are 34 bits: with 30 guesses an
// hour from an address, a guess within ten minutes is one in 2^32.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
	devicePrefix    = "dc_"
)

// AuthorizeDevice begins a device authorization: RFC 8628 §3.1.
func (s *Server) AuthorizeDevice(ctx context.Context, given Credentials) (*DeviceResponse, error) {
	req := given.Request
	if name := req.repeated(); name != "" {
		return nil, invalidRequest("%s was sent more than once", printable(name)).about(printable(name))
	}
	client, err := s.authenticateClient(ctx, given)
	if err != nil {
		return nil, err
	}
	answer, err := s.authorizeDevice(ctx, client, given)
	if err != nil {
		s.tokenProblem(ctx, client, err)
	}
	return answer, err
}

func (s *Server) authorizeDevice(ctx context.Context, c *Client, given Credentials) (*DeviceResponse, error) {
	if !c.mayUse(GrantDeviceCode) {
		return nil, newError(CodeUnauthorizedClient, "this app is not registered for the device grant").about("client_id")
	}
	r := AuthorizationRequest{ClientID: c.ID}
	for _, judge := range []rule{ruleScope, ruleResource} {
		if err := judge(ctx, s, c, given.Request, &r); err != nil {
			return nil, err
		}
	}
	content, err := json.Marshal(deviceAsk{Request: r, Address: given.Address})
	if err != nil {
		return nil, err
	}
	for range 5 { // two user codes alike are one in 10^10
		answer, err := s.startDevice(ctx, c, given.Address, content)
		switch {
		case errors.Is(err, ErrReplayed):
			continue
		case errors.Is(err, ErrConflict):
			return nil, tooMany("devices that wait").because(err)
		}
		return answer, err
	}
	return nil, ErrUnavailable
}

func (s *Server) startDevice(ctx context.Context, c *Client, address string, content []byte) (*DeviceResponse, error) {
	code, user, now := devicePrefix+secret.New().Reveal(), newUserCode(), s.Now()
	hash := secret.Hash(code)
	err := s.Store.StartDevice(ctx, Device{
		DeviceHash: hash, UserHash: s.userHash(user), ClientID: c.ID, Address: networkOf(address),
		Content: []byte(s.boxes.device.Seal(content, hash)), Interval: deviceInterval,
		CreatedAt: now, ExpiresAt: now.Add(s.DeviceLifetime),
	}, devicesPerClient, devicesPerAddress)
	if err != nil {
		return nil, err
	}
	shown := user[:4] + "-" + user[4:]
	return &DeviceResponse{
		DeviceCode: code, UserCode: shown, VerificationURI: s.Issuer + PathDevice,
		VerificationURIComplete: s.Issuer + PathDevice + "?user_code=" + shown,
		ExpiresIn:               int64(s.DeviceLifetime / time.Second), Interval: deviceInterval,
	}, nil
}

// newUserCode draws letters evenly: 240 is the largest multiple of 20 in a byte.
func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	var b [32]byte
	for len(code) < userCodeLength {
		_, _ = rand.Read(b[:])
		for _, v := range b {
			if v < 240 && len(code) < userCodeLength {
				code = append(code, userCodeLetters[int(v)%len(userCodeLetters)])
			}
		}
	}
	return string(code)
}

// CanonicalUserCode reads what a person typed: case, spaces and hyphens don't
// matter, RFC 8628 §6.1. "" when it can't be a code.
func CanonicalUserCode(typed string) string {
	code := strings.Map(func(r rune) rune {
		switch {
		case r == ' ', r == '-', r == '\t', r == '\u00a0', r == '\u2010', r == '\u2011', r == '\u2013':
			return -1
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, cut(typed, 64))
	if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" {
		return ""
	}
	return code
}

// userHash keeps a copy of the database from being a list of codes: there are
// few enough to try them all against a plain hash.
func (s *Server) userHash(code string) []byte {
	_, tag := s.boxes.userCode.Sum([]byte(code))
	return tag[:]
}

// DeviceInteraction is the interaction behind a user code that somebody typed:
// RFC 8628 §3.3. Wrong codes are counted by browser and by address. standing
// is whom the browser has signed in; a device never asks to sign in anew.
func (s *Server) DeviceInteraction(ctx context.Context, typed, browser, address string, standing Standing) (*Interaction, error) {
	now := s.Now()
	byBrowser, byAddress := "device\x00b"+browser, "device\x00a"+networkOf(address)
	if s.limits.spent(byBrowser, wrongPerBrowser, wrongSpan, now) || s.limits.spent(byAddress, wrongPerAddress, wrongSpan, now) {
		return nil, tooMany("wrong codes")
	}
	code := CanonicalUserCode(typed)
	device, err := s.waitingDevice(ctx, code)
	if isWrongCode(err) {
		s.limits.allow(byBrowser, wrongPerBrowser, wrongSpan, now)
		s.limits.allow(byAddress, wrongPerAddress, wrongSpan, now)
	}
	if err != nil {
		return nil, err
	}
	in := &Interaction{Device: code, Began: now.Unix(), Login: markOf(standing.Session)}
	ask, err := s.openDevice(&device)
	in.Request = ask.Request
	return in, err
}

func isWrongCode(err error) bool { return err != nil && AsError(err).Parameter == "user_code" }

func wrongUserCode(format string, args ...any) *Error {
	return invalidRequest(format, args...).about("user_code")
}

func (s *Server) waitingDevice(ctx context.Context, code string) (Device, error) {
	if code == "" {
		return Device{}, wrongUserCode("a code is eight letters, such as WDJB-MJHT")
	}
	device, err := s.Store.DeviceByUserCode(ctx, s.userHash(code))
	switch {
	case errors.Is(err, ErrNotFound), err == nil && (!s.Now().Before(device.ExpiresAt) || s.fromBefore(device.CreatedAt)):
		return device, wrongUserCode("no device waits under this code; it may have expired")
	case err == nil && device.Decision != DevicePending:
		return device, wrongUserCode("this code was answered already")
	}
	return device, err
}

// deviceAsk is what a device asked for, and from where.
type deviceAsk struct {
	Request AuthorizationRequest `json:"r"`
	Address string               `json:"a"`
}

func (s *Server) openDevice(d *Device) (ask deviceAsk, err error) {
	content, err := s.boxes.device.Open(string(d.Content), d.DeviceHash)
	if err != nil {
		return ask, wrongUserCode("this code is not valid any more").because(err)
	}
	return ask, json.Unmarshal(content, &ask)
}

// DeviceView is what the consent page shows of a device, so that a person can
// tell theirs from a stranger's: RFC 8628 §5.4.
type DeviceView struct {
	UserCode string
	Address  string // where the device asked from
	Asked    time.Time
}

func (s *Server) describeDevice(ctx context.Context, in *Interaction) (*DeviceView, error) {
	device, err := s.waitingDevice(ctx, in.Device)
	if err != nil {
		return nil, err
	}
	ask, err := s.openDevice(&device)
	return &DeviceView{UserCode: in.Device[:4] + "-" + in.Device[4:], Address: ask.Address, Asked: device.CreatedAt}, err
}

// approveDevice records what was agreed; the device comes for it.
func (s *Server) approveDevice(ctx context.Context, c *Client, in *Interaction, st Standing, granted []string) error {
	content, err := s.codeContent(c, in, st, granted)
	if err != nil {
		return err
	}
	return s.decideDevice(ctx, in, DeviceApproved, content)
}

// decideDevice: the first answer counts, whoever gave it.
func (s *Server) decideDevice(ctx context.Context, in *Interaction, decision DeviceDecision, content []byte) error {
	hash := s.userHash(in.Device)
	var grant []byte
	if content != nil {
		grant = []byte(s.boxes.device.Seal(content, append([]byte("grant\x00"), hash...)))
	}
	err := s.Store.DecideDevice(ctx, hash, decision, grant, s.Now())
	switch {
	case errors.Is(err, ErrConflict):
		return wrongUserCode("this code was answered already").because(err)
	case errors.Is(err, ErrNotFound):
		return wrongUserCode("no device waits under this code; it may have expired").because(err)
	}
	return err
}
