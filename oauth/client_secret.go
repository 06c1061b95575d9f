package oauth

import (
	"errors"

	"github.com/valetkey/valetkey/internal/secret"
)

// GiveSecret makes the secret that a client's method needs, "" when it needs
// none. Where the secret is a key too it is kept sealed, else as a hash.
func (s *Server) GiveSecret(c *Client) (string, error) {
	c.SecretHash, c.SecretPHC, c.SecretKey = nil, "", ""
	if !c.usesSecret() {
		return "", nil
	}
	password := secret.New().Reveal()
	return password, s.SetSecret(c, password)
}

// SetSecret keeps a secret of 256 random bits, or for client_secret_jwt any of
// at least 32 characters: RFC 7518 §3.2.
func (s *Server) SetSecret(c *Client, password string) error {
	c.SecretHash, c.SecretKey = secret.Hash(password), ""
	if c.AuthMethod != AuthSecretJWT {
		return nil
	}
	if len(password) < 32 {
		return errors.New("a secret for client_secret_jwt has at least 32 characters")
	}
	c.SecretKey = s.boxes.secret.Seal([]byte(password), []byte(c.ID))
	return nil
}

// ResealSecret seals a client's secret under the master key that seals now;
// false when it is already, or there is none.
func (s *Server) ResealSecret(c *Client) (bool, error) {
	if c.SecretKey == "" || !s.boxes.secret.Outdated(c.SecretKey) {
		return false, nil
	}
	password, err := s.boxes.secret.Open(c.SecretKey, []byte(c.ID))
	if err != nil {
		return false, err
	}
	c.SecretKey = s.boxes.secret.Seal(password, []byte(c.ID))
	return true, nil
}

// usesSecret says whether the client authenticates by a secret.
func (c *Client) usesSecret() bool {
	return c.AuthMethod == AuthBasic || c.AuthMethod == AuthPost || c.AuthMethod == AuthSecretJWT
}

// UsesSecret says whether the client authenticates by a secret.
func (c *Client) UsesSecret() bool { return c.usesSecret() }
