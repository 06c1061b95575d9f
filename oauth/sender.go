package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/valetkey/valetkey/internal/dpop"
)

// Confirmation binds a token to a key of its holder: RFC 7800 §3.1 with the
// members of RFC 9449 §6 and RFC 8705 §3.1. At most one is set.
type Confirmation struct {
	JKT string `json:"jkt,omitempty"`
	X5T string `json:"x5t#S256,omitempty"`
}

// sender is what a token request proved besides its client: the key that its
// tokens are to be bound to.
type sender struct {
	Confirmation

	proofs []Once // to be recorded in the transaction that issues
}

// cnf is the claim for an access token; nil for a bearer token.
func (p sender) cnf() *Confirmation {
	if p.Confirmation == (Confirmation{}) {
		return nil
	}
	return &p.Confirmation
}

// tokenType: RFC 9449 §5. A certificate-bound token is a Bearer token still.
func (c *Confirmation) tokenType() string {
	if c != nil && c.JKT != "" {
		return "DPoP"
	}
	return "Bearer"
}

// Thumbprint is a certificate's x5t#S256: RFC 8705 §3.1.
func Thumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// senderOf reads what binds the tokens of a request. DPoP comes when a proof
// was sent, a certificate when the client registered for it.
func (s *Server) senderOf(c *Client, given Credentials) (sender, error) {
	var p sender
	if len(given.DPoP) > 0 {
		return s.dpopSender(c, given, "")
	}
	if c.BoundDPoP { // RFC 9449 §5.2, whatever else it shows
		return p, newError(CodeInvalidDPoPProof, "this app's tokens are bound by DPoP, and the request has no proof")
	}
	if len(given.Certificates) > 0 && (c.BoundCertificate || c.Profile == ProfileFAPI2) {
		p.X5T = Thumbprint(given.Certificates[0])
		return p, nil
	}
	switch {
	case c.BoundCertificate:
		return p, invalidRequest("this app's tokens are bound to a certificate, and the connection has none")
	case c.Profile == ProfileFAPI2:
		return p, invalidRequest("profile fapi2 binds tokens: send a DPoP proof or use a client certificate")
	}
	return p, nil
}

// dpopSender: RFC 9449 §4.3, §5. token is the access token at a resource, else "".
func (s *Server) dpopSender(c *Client, given Credentials, token string) (sender, error) {
	proof, err := dpop.Read(given.DPoP)
	if err == nil {
		err = proof.Check(dpop.Want{Method: given.Method, URLs: s.endpoints(given.Path), Token: token, Now: s.Now()})
	}
	switch {
	case err != nil:
		return sender{}, newError(CodeInvalidDPoPProof, "the DPoP proof is not valid: %s", printable(err.Error())).because(err)
	case s.fromBefore(proof.IssuedAt):
		return sender{}, newError(CodeInvalidDPoPProof, "the DPoP proof is from before this server was restored from a backup")
	case c.Profile == ProfileFAPI2 && !slices.Contains(strongAlgs, proof.Alg):
		return sender{}, newError(CodeInvalidDPoPProof, "profile fapi2 takes DPoP proofs signed by PS256, ES256 or EdDSA")
	case proof.Nonce == "" && s.DPoPNonce, proof.Nonce != "" && !s.nonces.Good(proof.Nonce, s.Now()):
		return sender{}, newError(CodeUseDPoPNonce, "the DPoP proof needs the nonce of this answer's DPoP-Nonce header")
	}
	return sender{
		Confirmation: Confirmation{JKT: proof.Thumbprint},
		proofs:       []Once{{Kind: "dpop", Owner: proof.Thumbprint, ID: proof.ID, Until: proof.IssuedAt.Add(dpop.Window)}},
	}, nil
}

// FreshNonce is for the DPoP-Nonce header of an answer: RFC 9449 §8.2. "" while
// none is asked for.
func (s *Server) FreshNonce() string {
	if !s.DPoPNonce {
		return ""
	}
	return s.nonces.Current(s.Now())
}

// NonceFor is the nonce that an answer must bring, "" for none.
func (s *Server) NonceFor(err error) string {
	if AsError(err).Code == CodeUseDPoPNonce {
		return s.nonces.Current(s.Now())
	}
	return s.FreshNonce()
}

// useProofs records proofs where nothing else is written.
func (s *Server) useProofs(ctx context.Context, proofs []Once) error {
	for _, p := range proofs {
		err := s.Store.UseOnce(ctx, p.Kind, p.Owner, p.ID, p.Until)
		if errors.Is(err, ErrReplayed) {
			return proofUsed(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func proofUsed(cause error) *Error {
	return newError(CodeInvalidDPoPProof, "the DPoP proof was used before").because(cause)
}
