package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
)

// Subject types: OpenID Connect Core §8.
const (
	subjectPublic   = "public"
	subjectPairwise = "pairwise"
)

var subjectTypes = []string{subjectPublic, subjectPairwise}

func (c *Client) pairwise() bool { return c.SubjectType == subjectPairwise }

// subjectFor is a person's sub as a client is told it: OpenID Connect Core §8.1. A
// pairwise one is the same for all clients of a sector, and nothing that two
// sectors could compare.
func (s *Server) subjectFor(ctx context.Context, c *Client, subject string) (string, error) {
	if !c.pairwise() || subject == "" {
		return subject, nil
	}
	salt, err := s.Store.PairwiseSalt(ctx)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(c.sector() + "\x00" + subject))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)), nil
}

// sector: OpenID Connect Core §8.1, the host of sector_identifier_uri, or of the
// redirect URIs, which then have one host: judgeSector sees to it.
func (c *Client) sector() string {
	address := c.SectorURI
	if address == "" && len(c.RedirectURIs) > 0 {
		address = c.RedirectURIs[0]
	}
	u, err := url.Parse(address)
	// Nobody owns a loopback address or a private scheme.
	if err != nil || address == "" || u.Host == "" || c.SectorURI == "" && isLoopbackHost(u.Hostname()) {
		return "client:" + c.ID
	}
	return u.Hostname()
}
