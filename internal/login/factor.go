package login

import "time"

// Passkey is a WebAuthn credential of a person's.
type Passkey struct {
	ID          []byte
	Subject     string
	Name        string
	Credential  []byte // as the library keeps it, JSON
	SignCount   uint32
	CreatedAt   time.Time
	UsedAt      time.Time // zero: never
	UsedAgent   string
	UsedAddress string
}

// TOTP is an authenticator app: RFC 6238.
type TOTP struct {
	ID        string
	Subject   string
	Name      string
	Sealed    []byte // the key
	LastStep  int64  // of the newest code that was used; it never falls
	CreatedAt time.Time
	UsedAt    time.Time
}

// RecoveryCode is one of a set; it works once.
type RecoveryCode struct {
	Hash   []byte
	UsedAt time.Time
}

// Identity is who a person is at another provider: OpenID Connect Core §5.7,
// issuer and subject together and nothing else.
type Identity struct {
	Issuer    string
	Upstream  string // the sub there
	Subject   string // the account here
	Connector string
	Label     string // what the person recognises: a username or an address there
	CreatedAt time.Time
	UsedAt    time.Time
}

// Browser is one in which a person has signed in. Its cookie is a hint that
// slows nobody else; while TrustedUntil lasts, no second factor is asked there.
type Browser struct {
	Subject      string
	Hash         []byte // of its cookie
	FirstAt      time.Time
	SeenAt       time.Time
	TrustedUntil time.Time
	UserAgent    string
	Address      string
}

// Link is what was sent by mail and works once: a token in an address, beside it
// perhaps a code to type. Of one kind and owner only the newest works.
type Link struct {
	Kind      LinkKind
	Owner     string // a subject as a rule
	Hash      []byte // of kind and token
	CodeHash  []byte // nil: no code
	TriesLeft int    // for the code
	Content   []byte // sealed: what it is about
	CreatedAt time.Time
	ExpiresAt time.Time
}

// LinkKind keeps a link of one purpose from serving another.
type LinkKind string

// The kinds of links.
const (
	LinkVerify   LinkKind = "verify"   // an address is the person's
	LinkReset    LinkKind = "reset"    // choose a new password
	LinkSignIn   LinkKind = "sign_in"  // a first factor
	LinkInvite   LinkKind = "invite"   // make an account
	LinkSignUp   LinkKind = "sign_up"  // an account waits for its address to be proven
	LinkOperator LinkKind = "operator" // an administrator lets the person back in
	LinkLock     LinkKind = "lock"     // "this wasn't me"
)

// Activity is something that happened to an account.
type Activity struct {
	ID        string
	Subject   string
	Kind      ActivityKind
	At        time.Time
	Detail    string // a name: of a passkey, a provider
	UserAgent string
	Address   string
}

// ActivityKind names what happened.
type ActivityKind string

// What may happen to an account.
const (
	DidChangePassword  ActivityKind = "password_changed"
	DidSetPassword     ActivityKind = "password_set" // where there was none
	DidRemovePassword  ActivityKind = "password_removed"
	DidResetPassword   ActivityKind = "password_reset"
	DidAddPasskey      ActivityKind = "passkey_added"
	DidRemovePasskey   ActivityKind = "passkey_removed"
	DidAddTOTP         ActivityKind = "totp_added"
	DidRemoveTOTP      ActivityKind = "totp_removed"
	DidMakeCodes       ActivityKind = "recovery_codes_made"
	DidUseCode         ActivityKind = "recovery_code_used"
	DidLink            ActivityKind = "account_linked"
	DidUnlink          ActivityKind = "account_unlinked"
	DidChangeEmail     ActivityKind = "email_changed"
	DidVerifyEmail     ActivityKind = "email_verified"
	DidSwitchTwoStep   ActivityKind = "two_step_switched"
	DidChangeProfile   ActivityKind = "profile_changed"
	DidLock            ActivityKind = "locked"
	DidUnlock          ActivityKind = "unlocked"
	DidSignInNew       ActivityKind = "new_browser"
	DidForgetBrowsers  ActivityKind = "browsers_forgotten"
	DidDownload        ActivityKind = "data_downloaded"
	DidRollBack        ActivityKind = "passkey_rolled_back" // its counter fell: it may have been copied
	DidGuess           ActivityKind = "second_factor_guessed"
	DidEnterByOperator ActivityKind = "operator_link_used"
)
