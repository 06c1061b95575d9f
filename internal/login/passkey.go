package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// relyingParty: WebAuthn §5.1.2, its id is the issuer's host. A host that is a
// number has none, and there passkeys aren't offered.
func relyingParty(issuer, brand string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil || u.Hostname() == "" {
		return nil, nil //nolint:nilnil // without a relying party there are no passkeys
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: brand, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
}

// TakesPasskeys says whether this server's address lets people use them.
func (s *Service) TakesPasskeys() bool { return s.keys != nil }

// challengeLife is how long a page may wait for its passkey.
const challengeLife = 12 * time.Hour

// Challenge is a passkey that is asked for: the options for the browser as JSON,
// and what the form brings back beside the answer.
type Challenge struct {
	Options string
	Sealed  string
}

// What a challenge is for; an answer to one serves no other.
const (
	forSignIn = "sign-in"
	forFactor = "factor"
	forMaking = "making"
)

type sealedChallenge struct {
	Session webauthn.SessionData `json:"s"`
	Subject string               `json:"u,omitempty"`
	Epoch   int64                `json:"e,omitempty"`
	At      int64                `json:"t"`
}

func (s *Service) challenge(options any, session *webauthn.SessionData, user User, purpose, browser string) (Challenge, error) {
	text, err1 := json.Marshal(options)
	content, err2 := json.Marshal(sealedChallenge{Session: *session, Subject: user.Subject, Epoch: user.Epoch, At: s.Now().Unix()})
	if err := errors.Join(err1, err2); err != nil {
		return Challenge{}, err
	}
	return Challenge{Options: string(text), Sealed: s.box.challenge.Seal(content, []byte(purpose+"\n"+browser))}, nil
}

func (s *Service) openChallenge(sealed, purpose, browser string) (sealedChallenge, error) {
	var c sealedChallenge
	content, err := s.box.challenge.Open(sealed, []byte(purpose+"\n"+browser))
	if err != nil || json.Unmarshal(content, &c) != nil || s.TooOld(c.At, challengeLife) {
		return c, ErrStale
	}
	return c, nil
}

// once is the challenge, used up: WebAuthn §13.4.3.
func (c sealedChallenge) once() *oauth.Once {
	return &oauth.Once{Kind: "webauthn", ID: c.Session.Challenge, Until: time.Unix(c.At, 0).Add(challengeLife)}
}

// keyHolder shows a person to the library. Its id is the subject, which tells
// nobody anything (WebAuthn §14.6.1), or the hash of one that is too long for a
// user handle: §5.4.3 allows 64 bytes.
type keyHolder struct {
	user        User
	credentials []webauthn.Credential
}

func (h keyHolder) WebAuthnID() []byte {
	if id := h.user.Subject; len(id) <= maxHandle {
		return []byte(id)
	}
	return secret.Hash(h.user.Subject)
}

func (h keyHolder) WebAuthnName() string                       { return h.user.Username }
func (h keyHolder) WebAuthnCredentials() []webauthn.Credential { return h.credentials }
func (h keyHolder) WebAuthnDisplayName() string {
	if h.user.Name != "" {
		return h.user.Name
	}
	return h.user.Username
}

func holder(user User, keys ...Passkey) (keyHolder, error) {
	h := keyHolder{user: user}
	for _, k := range keys {
		var c webauthn.Credential
		if err := json.Unmarshal(k.Credential, &c); err != nil {
			return h, err
		}
		h.credentials = append(h.credentials, c)
	}
	return h, nil
}

// AskPasskey asks for any passkey of anybody's: the browser offers those that it
// has, and no name is needed first.
func (s *Service) AskPasskey(browser string) (Challenge, error) {
	options, session, err := s.keys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Challenge{}, err
	}
	return s.challenge(options.Response, session, User{}, forSignIn, browser)
}

// ByPasskey finds whose passkey answered: WebAuthn §7.2. It costs no hash.
func (s *Service) ByPasskey(ctx context.Context, sealed, answer, browser string, from Visitor) (_ Evidence, err error) {
	defer s.judged(WayPasskey, &err)
	if s.keys == nil {
		return Evidence{}, ErrWrong
	}
	asked, err := s.openChallenge(sealed, forSignIn, browser)
	if err != nil {
		return Evidence{}, err
	}
	parsed, err := parseAssertion(answer)
	if err != nil {
		return Evidence{}, err
	}
	key, user, err := s.ownerOf(ctx, parsed.RawID)
	if err != nil {
		return Evidence{}, err
	}
	credential, err := s.judgeAssertion(user, key, parsed, func(h keyHolder) (*webauthn.Credential, error) {
		return s.keys.ValidateDiscoverableLogin(func(_, _ []byte) (webauthn.User, error) { return h, nil }, asked.Session, parsed)
	})
	if err != nil {
		return Evidence{}, s.noteRollBack(ctx, user, key, from, err)
	}
	return Evidence{user: user, way: WayPasskey, amr: passkeyAMR(credential), two: true, at: s.Now(), spent: []Spent{s.spentKey(key, credential, asked, from)}}, nil
}

// ownerOf finds a passkey and its person. That there is none costs the same as
// one whose signature is wrong, within what a clock can tell over a network.
func (s *Service) ownerOf(ctx context.Context, id []byte) (Passkey, User, error) {
	key, err := s.Store.Passkey(ctx, id)
	if err != nil {
		return Passkey{}, User{}, unknownIsWrong(err)
	}
	user, err := s.Store.User(ctx, key.Subject)
	return key, user, unknownIsWrong(err)
}

const (
	maxAnswer = 16 << 10
	maxHandle = 64
)

func parseAssertion(answer string) (*protocol.ParsedCredentialAssertionData, error) {
	if len(answer) > maxAnswer {
		return nil, ErrWrong
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return nil, ErrWrong
	}
	return parsed, nil
}

var errRollBack = errors.New("the counter of a passkey fell")

// judgeAssertion: WebAuthn §7.2; step 22, a counter that falls means a copy.
func (s *Service) judgeAssertion(user User, key Passkey, parsed *protocol.ParsedCredentialAssertionData, judge func(keyHolder) (*webauthn.Credential, error)) (*webauthn.Credential, error) {
	h, err := holder(user, key)
	if err != nil {
		return nil, err
	}
	credential, err := judge(h)
	switch {
	case err != nil:
		return nil, ErrWrong
	case credential.Authenticator.CloneWarning:
		return nil, errRollBack
	}
	return credential, nil
}

func (s *Service) noteRollBack(ctx context.Context, user User, key Passkey, from Visitor, err error) error {
	if !errors.Is(err, errRollBack) {
		return err
	}
	if fault := s.note(ctx, user, DidRollBack, key.Name, from); fault != nil {
		return fault
	}
	return ErrWrong
}

// passkeyAMR: RFC 8176 §2. A key that is copied between devices is kept by
// software.
func passkeyAMR(c *webauthn.Credential) []string {
	if c.Flags.BackupEligible {
		return []string{"swk", "user"}
	}
	return []string{"hwk", "user"}
}

func (s *Service) spentKey(key Passkey, c *webauthn.Credential, asked sealedChallenge, from Visitor) Spent {
	content, _ := json.Marshal(c) // it came from JSON
	return Spent{Was: key.SignCount, Once: asked.once(), Passkey: &Passkey{
		ID: key.ID, Credential: content, SignCount: c.Authenticator.SignCount, UsedAt: s.Now(), UsedAgent: cut(from.Agent, 400), UsedAddress: from.Address,
	}}
}

// AskFactor asks for one of a person's own passkeys, as the second factor.
func (s *Service) AskFactor(ctx context.Context, user User, browser string) (Challenge, error) {
	keys, err := s.Store.Passkeys(ctx, user.Subject)
	if err != nil {
		return Challenge{}, err
	}
	h, err := holder(user, keys...)
	if err != nil {
		return Challenge{}, err
	}
	options, session, err := s.keys.BeginLogin(h, webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Challenge{}, err
	}
	return s.challenge(options.Response, session, user, forFactor, browser)
}

// byFactorKey judges the answer to AskFactor.
func (s *Service) byFactorKey(ctx context.Context, user User, sealed, answer, browser string, from Visitor) (Spent, []string, error) {
	asked, err := s.openChallenge(sealed, forFactor, browser)
	if err != nil || asked.Subject != user.Subject {
		return Spent{}, nil, ErrStale
	}
	parsed, err := parseAssertion(answer)
	if err != nil {
		return Spent{}, nil, err
	}
	key, owner, err := s.ownerOf(ctx, parsed.RawID)
	if err != nil || owner.Subject != user.Subject {
		return Spent{}, nil, errors.Join(ErrWrong, err)
	}
	credential, err := s.judgeAssertion(user, key, parsed, func(h keyHolder) (*webauthn.Credential, error) {
		asked.Session.AllowedCredentialIDs = [][]byte{key.ID}
		return s.keys.ValidateLogin(h, asked.Session, parsed)
	})
	if err != nil {
		return Spent{}, nil, s.noteRollBack(ctx, user, key, from, err)
	}
	return s.spentKey(key, credential, asked, from), passkeyAMR(credential), nil
}

// algorithms that a passkey may sign by: WebAuthn §5.8.5, what authenticators do.
var algorithms = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
}

// MakePasskey asks the browser for a new one. Those that the person has are named,
// so that no authenticator gets two.
func (s *Service) MakePasskey(ctx context.Context, user User, browser string) (Challenge, error) {
	keys, err := s.Store.Passkeys(ctx, user.Subject)
	if err != nil {
		return Challenge{}, err
	}
	h, err := holder(user, keys...)
	if err != nil {
		return Challenge{}, err
	}
	options, session, err := s.keys.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.credentials).CredentialDescriptors()), webauthn.WithCredentialParameters(algorithms))
	if err != nil {
		return Challenge{}, err
	}
	return s.challenge(options.Response, session, user, forMaking, browser)
}

// madePasskey judges a new one: WebAuthn §7.1. That nobody has it yet, the store
// decides when it is added.
func (s *Service) madePasskey(user User, sealed, answer, browser, name string) (*Passkey, []string, error) {
	asked, err := s.openChallenge(sealed, forMaking, browser)
	if err != nil || asked.Subject != user.Subject || asked.Epoch != user.Epoch || s.keys == nil {
		return nil, nil, ErrStale
	}
	bad := &Invalid{Field: "passkey", Why: "This passkey couldn't be read. Try again, or use another device."}
	if len(answer) > maxAnswer {
		return nil, nil, bad
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return nil, nil, bad
	}
	h, err := holder(user)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.keys.CreateCredential(h, asked.Session, parsed)
	if err != nil {
		return nil, nil, bad
	}
	c.Attestation = webauthn.CredentialAttestation{} // none was asked for
	content, err := json.Marshal(c)
	return &Passkey{
		ID: c.ID, Subject: user.Subject, Name: label(name, passkeyName(c)), Credential: content, SignCount: c.Authenticator.SignCount,
	}, passkeyAMR(c), err
}

// passkeyName is what a new one is called until its owner says otherwise.
func passkeyName(c *webauthn.Credential) string {
	if c.Flags.BackupEligible {
		return "Passkey"
	}
	return "Security key"
}

// PasskeyID writes a credential's id for a form, and back.
func PasskeyID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

// ParsePasskeyID is the inverse of PasskeyID; nil for what is none.
func ParsePasskeyID(text string) []byte {
	id, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(id) > 1023 { // WebAuthn §4, credential id
		return nil
	}
	return id
}
