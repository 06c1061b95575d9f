package valetkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// Admin is the operator's door: what the command line does, for programs that
// embed the server. Whoever holds it may do everything.
type Admin struct{ s *Server }

// Admin returns the operator's door.
func (s *Server) Admin() *Admin { return &Admin{s} }

// NewUser describes an account to make; without a password nobody can sign in
// to it by one.
type NewUser struct {
	Username, Email, Name, Password string
	Admin                           bool
	Claims                          map[string]any // standard claims of OpenID Connect Core §5.1
	Groups                          []string
	MustChange                      bool // the password is replaced at the first sign-in
}

// User is an account as an operator sees it.
type User struct {
	Subject       string         `json:"sub"`
	Username      string         `json:"username"`
	Email         string         `json:"email,omitempty"`
	EmailVerified bool           `json:"email_verified"`
	Name          string         `json:"name,omitempty"`
	Admin         bool           `json:"admin"`
	Disabled      bool           `json:"disabled"`
	Locked        bool           `json:"locked,omitempty"`
	Groups        []string       `json:"groups,omitempty"`
	CreatedAt     time.Time      `json:"created_at"`
	Claims        map[string]any `json:"claims,omitempty"`
}

func seen(u login.User) User {
	return User{
		Subject: u.Subject, Username: u.Username, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name,
		Admin: u.Admin, Disabled: u.Disabled, Locked: u.Locked, Groups: u.Groups(), CreatedAt: u.CreatedAt.UTC(), Claims: u.Claims,
	}
}

// CreateUser makes an account; oauth.ErrConflict when the username is taken.
func (a *Admin) CreateUser(ctx context.Context, n NewUser) (User, error) {
	hash := ""
	if a.s.clock != nil && n.Password != "" {
		var err error
		if hash, err = quickHash(n.Password); err != nil {
			return User{}, err
		}
	}
	u, err := a.s.login.Create(ctx, login.NewUser{
		Hash: hash, Username: n.Username, Email: n.Email, Name: n.Name, Password: n.Password, Admin: n.Admin, Claims: n.Claims, Groups: n.Groups, MustChange: n.MustChange,
	}, "")
	return seen(u), err
}

// User finds an account by username or email.
func (a *Admin) User(ctx context.Context, username string) (User, error) {
	u, err := a.s.login.Find(ctx, username)
	if errors.Is(err, oauth.ErrNotFound) {
		return User{}, fmt.Errorf("no user is named %q: %w", username, err)
	}
	return seen(u), err
}

// Users lists accounts in the order of their subjects: that in which they were
// made, but for those who brought theirs along.
func (a *Admin) Users(ctx context.Context) ([]User, error) {
	var all []User
	for after := ""; ; {
		page, err := a.s.store.ListUsers(ctx, after, 500, "")
		if err != nil || len(page) == 0 {
			return all, err
		}
		for _, u := range page {
			all = append(all, seen(u))
		}
		after = page[len(page)-1].Subject
	}
}

// SetDisabled switches an account off or on; off ends all that hangs off it.
func (a *Admin) SetDisabled(ctx context.Context, subject string, disabled bool) error {
	if disabled {
		return lastAdmin(a.s.store.DisableUser(ctx, subject, a.s.oauth.Now()))
	}
	return a.s.store.EnableUser(ctx, subject, a.s.oauth.Now())
}

// DeleteUser removes an account and ends all that hangs off it.
func (a *Admin) DeleteUser(ctx context.Context, subject string) error {
	return lastAdmin(a.s.store.DeleteUser(ctx, subject))
}

func lastAdmin(err error) error {
	if errors.Is(err, oauth.ErrConflict) {
		return fmt.Errorf("this is the last administrator: %w", err)
	}
	return err
}

// SetPassword sets a password and ends every session of the account.
func (a *Admin) SetPassword(ctx context.Context, subject, password string) error {
	return a.s.login.SetPassword(ctx, subject, password)
}

// NewClient describes an app to register. Without ID and Secret both are made.
type NewClient struct {
	Metadata   oauth.Metadata
	ID         string
	Secret     string // chosen by the operator; kept as a slow hash
	FirstParty bool
	Verified   bool
	OwnerName  string // username of its developer
}

// Client is an app as an operator sees it, under RFC 7591's names.
type Client struct {
	oauth.Metadata

	ID            string `json:"client_id"`
	Secret        string `json:"client_secret,omitempty"` // only when just made
	SecretExpires *int64 `json:"client_secret_expires_at,omitempty"`
	IssuedAt      int64  `json:"client_id_issued_at"`
	FirstParty    bool   `json:"first_party"`
	Verified      bool   `json:"verified"`
	Disabled      bool   `json:"disabled"`
	Owner         string `json:"owner,omitempty"`
}

func shown(c *oauth.Client, password string) Client {
	out := Client{
		Metadata: c.Metadata, ID: c.ID, Secret: password, IssuedAt: c.CreatedAt.Unix(),
		FirstParty: c.FirstParty, Verified: c.Verified, Disabled: c.Disabled, Owner: c.Owner,
	}
	if password != "" {
		out.SecretExpires = new(int64)
	}
	return out
}

// CreateClient registers an app; its secret is in the answer and nowhere else.
func (a *Admin) CreateClient(ctx context.Context, n NewClient) (Client, error) {
	if n.ID == "" {
		n.ID = secret.NewID()
	}
	c, invalid := oauth.NewClient(n.ID, n.Metadata, a.s.Issuer)
	if invalid != nil {
		return Client{}, invalid
	}
	c.FirstParty, c.Verified = n.FirstParty, n.Verified
	c.CreatedAt = a.s.oauth.Now()
	c.UpdatedAt, c.Epoch = c.CreatedAt, 1
	if n.OwnerName != "" {
		owner, err := a.User(ctx, n.OwnerName)
		if err != nil {
			return Client{}, err
		}
		c.Owner = owner.Subject
	}
	if err := errors.Join(a.s.oauth.CheckSector(ctx, c), a.s.checkWays(c.Metadata)); err != nil {
		return Client{}, err
	}
	password, err := a.giveSecret(ctx, c, n.Secret)
	if err != nil {
		return Client{}, err
	}
	c.LogoID = a.s.oauth.FetchLogo(ctx, c)
	if err := a.s.store.CreateClient(ctx, c); err != nil {
		if errors.Is(err, oauth.ErrConflict) {
			return Client{}, fmt.Errorf("client id %q is taken: %w", c.ID, err)
		}
		return Client{}, err
	}
	return shown(c, password), nil
}

func (a *Admin) giveSecret(ctx context.Context, c *oauth.Client, chosen string) (string, error) {
	switch {
	case !c.UsesSecret() && chosen != "":
		return "", fmt.Errorf("a client of token_endpoint_auth_method %s has no secret; choose --auth-method client_secret_basic", c.AuthMethod)
	case chosen == "":
		return a.s.oauth.GiveSecret(c)
	case len(chosen) > 512:
		return "", errors.New("the secret is longer than 512 characters")
	case c.AuthMethod == oauth.AuthSecretJWT:
		return chosen, a.s.oauth.SetSecret(c, chosen)
	}
	var err error
	if a.s.clock != nil {
		c.SecretPHC, err = quickHash(chosen)
		return chosen, err
	}
	c.SecretPHC, err = a.s.login.Hasher.Hash(ctx, "", chosen)
	return chosen, err
}

// Client finds an app.
func (a *Admin) Client(ctx context.Context, id string) (Client, error) {
	c, err := a.s.store.Client(ctx, id)
	if err != nil {
		return Client{}, fmt.Errorf("client %q: %w", id, err)
	}
	return shown(c, ""), nil
}

// Clients lists every app in the order of their ids.
func (a *Admin) Clients(ctx context.Context) ([]Client, error) {
	all := []Client{}
	for after := ""; ; {
		page, err := a.s.store.ListClients(ctx, nil, after, 500)
		if err != nil || len(page) == 0 {
			return all, err
		}
		for _, c := range page {
			all = append(all, shown(c, ""))
		}
		after = page[len(page)-1].ID
	}
}

// UpdateClient changes an app's metadata by change, which gets a copy, and
// its standing. Everything is judged again.
func (a *Admin) UpdateClient(ctx context.Context, id string, change func(*Client)) (Client, error) {
	old, err := a.s.store.Client(ctx, id)
	if err != nil {
		return Client{}, fmt.Errorf("client %q: %w", id, err)
	}
	wanted, err := clone(shown(old, ""))
	if err != nil {
		return Client{}, err
	}
	change(&wanted)
	c, err := a.judged(ctx, old, wanted.Metadata)
	if err != nil {
		return Client{}, err
	}
	c.CopyStanding(old)
	if c.LogoURI != old.LogoURI {
		c.LogoID = a.s.oauth.FetchLogo(ctx, c)
	}
	c.FirstParty, c.Verified, c.UpdatedAt = wanted.FirstParty, wanted.Verified, a.s.oauth.Now()
	if err := a.s.store.UpdateClient(ctx, c, oauth.MustEnd(old, c)); err != nil {
		return Client{}, err
	}
	if wanted.Disabled != old.Disabled {
		err = a.setClientDisabled(ctx, id, wanted.Disabled)
		c.Disabled = wanted.Disabled
	}
	return shown(c, ""), err
}

// judged makes a client of changed metadata. What a client says in its own
// document is not ours to change; an operator may switch it off or vouch for it.
func (a *Admin) judged(ctx context.Context, old *oauth.Client, m oauth.Metadata) (*oauth.Client, error) {
	if old.Source == oauth.SourceDocument {
		c := *old
		return &c, nil
	}
	c, invalid := oauth.NewClient(old.ID, m, a.s.Issuer)
	if invalid != nil {
		return nil, invalid
	}
	// What was true once may not be now; a change of something else passes.
	if !slices.Equal(c.Authenticators, old.Authenticators) || c.Factors != old.Factors {
		if err := a.s.checkWays(c.Metadata); err != nil {
			return nil, err
		}
	}
	return c, a.s.oauth.CheckSector(ctx, c)
}

func clone(c Client) (out Client, err error) {
	c.Secret = ""
	content, err := json.Marshal(c) //nolint:gosec // the secret was just taken out
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(content, &out)
}

func (a *Admin) setClientDisabled(ctx context.Context, id string, disabled bool) error {
	if disabled {
		return a.s.store.DisableClient(ctx, id)
	}
	return a.s.store.EnableClient(ctx, id)
}

// DeleteClient removes an app and ends all that hangs off it; its id is never
// given out again.
func (a *Admin) DeleteClient(ctx context.Context, id string) error {
	return a.s.store.DeleteClient(ctx, id)
}

// RotateSecret gives an app a new secret; the old one is dead at once.
func (a *Admin) RotateSecret(ctx context.Context, id, chosen string) (Client, error) {
	old, err := a.s.store.Client(ctx, id)
	if err != nil {
		return Client{}, fmt.Errorf("client %q: %w", id, err)
	}
	c := *old
	c.SecretHash, c.SecretPHC, c.SecretKey = nil, "", ""
	password, err := a.giveSecret(ctx, &c, chosen)
	if err != nil {
		return Client{}, err
	}
	if password == "" {
		return Client{}, fmt.Errorf("this client has no secret: its token_endpoint_auth_method is %s", c.AuthMethod)
	}
	return shown(&c, password), a.s.store.SetClientSecret(ctx, id, c.SecretHash, c.SecretPHC, c.SecretKey)
}

// CreateInitialToken makes a token with which uses clients may register at
// /register while that is open to holders of one; it is in the answer and
// nowhere else.
func (a *Admin) CreateInitialToken(ctx context.Context, note string, uses int64, life time.Duration) (oauth.InitialToken, string, error) {
	row, token := a.s.oauth.NewInitialToken(note, uses, life)
	return row, token, a.s.store.CreateInitialToken(ctx, row)
}

// InitialTokens lists those that were made and not deleted.
func (a *Admin) InitialTokens(ctx context.Context) ([]oauth.InitialToken, error) {
	return a.s.store.InitialTokens(ctx)
}

// DeleteInitialToken makes a token worth nothing.
func (a *Admin) DeleteInitialToken(ctx context.Context, id string) error {
	return a.s.store.DeleteInitialToken(ctx, id)
}

// CreateScope declares a scope; oauth.ErrConflict when there is one.
func (a *Admin) CreateScope(ctx context.Context, scope oauth.Scope) error {
	if !oauth.ValidScopeName(scope.Name) {
		return fmt.Errorf("scope %q is not a name of printable ASCII without space, quote or backslash", scope.Name)
	}
	return a.s.store.CreateScope(ctx, scope)
}

// UpdateScope changes a scope that CreateScope declared by change, which gets a
// copy; oauth.ErrNotFound when there is none.
func (a *Admin) UpdateScope(ctx context.Context, name string, change func(*oauth.Scope)) (oauth.Scope, error) {
	rows, err := a.s.store.ListScopes(ctx)
	if err != nil {
		return oauth.Scope{}, err
	}
	at := slices.IndexFunc(rows, func(s oauth.Scope) bool { return s.Name == name })
	if at < 0 {
		return oauth.Scope{}, oauth.ErrNotFound
	}
	scope := rows[at]
	change(&scope)
	scope.Name = name
	return scope, a.s.store.UpdateScope(ctx, scope)
}

// Scopes lists every scope, declared and OpenID Connect's own.
func (a *Admin) Scopes(ctx context.Context) (*oauth.Catalog, error) { return a.s.store.Catalog(ctx) }

// DeleteScope forgets a scope that CreateScope declared.
func (a *Admin) DeleteScope(ctx context.Context, name string) error {
	return a.s.store.DeleteScope(ctx, name)
}

// CreateResource declares an API.
func (a *Admin) CreateResource(ctx context.Context, r oauth.Resource) error {
	return a.s.store.CreateResource(ctx, r)
}

// DeleteResource forgets an API.
func (a *Admin) DeleteResource(ctx context.Context, url string) error {
	return a.s.store.DeleteResource(ctx, url)
}

// Key is a signing key as an operator sees it.
type Key = keys.Status

// Keys lists the signing keys that are published.
func (a *Admin) Keys(ctx context.Context) ([]Key, error) { return a.s.keys.List(ctx) }

// RotateKey begins the successor of an algorithm's key. An emergency removes
// the old key at once and so ends every token that it signed.
func (a *Admin) RotateKey(ctx context.Context, alg string, emergency bool) error {
	return a.s.keys.Rotate(ctx, jose.Alg(alg), emergency)
}
