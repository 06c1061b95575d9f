package resource

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/dpop"
	"github.com/valetkey/valetkey/internal/jose"
)

// Replay remembers which DPoP proofs were used (RFC 9449 §11.1).
type Replay interface {
	// UseOnce tells whether id, of 43 characters, comes for the first time, and
	// remembers it at least until then. Of any number of calls at once, on any
	// node, one may be told true. An error is answered 503.
	UseOnce(ctx context.Context, id string, until time.Time) (bool, error)
}

// nodeSkew is how far the clocks of an API's nodes may be apart.
const nodeSkew = 10 * time.Second

// readProof: RFC 9449 §7.1, with the checks of §4.3 that need no token.
func (a *API) readProof(r *http.Request, token string) (*dpop.Proof, error) {
	proof, err := dpop.Read(r.Header["Dpop"])
	if err != nil {
		return nil, invalidProof("one DPoP header with a valid proof is needed", err)
	}
	now := a.c.Now()
	if err := proof.Check(dpop.Want{Method: r.Method, URLs: []string{a.requestURL(r)}, Token: token, Now: now}); err != nil {
		return nil, invalidProof(err.Error(), nil)
	}
	if a.nonces != nil && !a.nonces.Good(proof.Nonce, now) { // RFC 9449 §9
		return nil, &refusal{
			status: http.StatusUnauthorized, code: "use_dpop_nonce", kind: ErrInvalidToken,
			description: "the DPoP proof needs the nonce that comes with this answer",
		}
	}
	return &proof, nil
}

func invalidProof(description string, cause error) error {
	return &refusal{status: http.StatusUnauthorized, code: "invalid_dpop_proof", description: description, kind: ErrInvalidToken, cause: cause}
}

// requestURL is the request's as its client wrote it, without the query. A
// router may have cut the path in r.URL.
func (a *API) requestURL(r *http.Request) string {
	base := strings.TrimSuffix(a.c.BaseURL, "/")
	if base == "" {
		base = "http://" + r.Host
		if r.TLS != nil {
			base = "https://" + r.Host
		}
	}
	path := r.URL.EscapedPath()
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ = strings.Cut(r.RequestURI, "?")
	}
	return base + path
}

// useOnce comes last: who has no good token leaves nothing behind.
func (a *API) useOnce(ctx context.Context, p *dpop.Proof) (err error) {
	first := false
	if a.c.Replay != nil {
		sum := sha256.Sum256([]byte(p.Thumbprint + "." + p.ID))
		first, err = a.c.Replay.UseOnce(ctx, base64.RawURLEncoding.EncodeToString(sum[:]), p.Expires().Add(nodeSkew))
	} else {
		first = a.used.useOnce(p.Thumbprint, p.ID, p.Expires())
	}
	switch {
	case err != nil:
		return unavailable(err)
	case !first:
		return invalidProof("the DPoP proof was used before", nil)
	}
	return nil
}

// offerNonce hands out the current nonce to who didn't bring it. An older one
// is good a while longer, so nobody has to be refused for a new one (RFC 9449
// §8.2).
func (a *API) offerNonce(h http.Header, by caller) {
	if a.nonces == nil || by.scheme != schemeDPoP {
		return
	}
	if current := a.nonces.Current(a.c.Now()); by.proof == nil || by.proof.Nonce != current {
		h.Set("DPoP-Nonce", current)
	}
}

func newNonces(c Config) *dpop.Nonces {
	var key [32]byte
	if copy(key[:], c.DPoPNonceKey) == 0 {
		_, _ = rand.Read(key[:])
	}
	return dpop.NewNonces(key)
}

// proofAlgs are for challenges.
var proofAlgs = func() string {
	var names []string
	for _, alg := range jose.Algs() {
		names = append(names, string(alg))
	}
	return strings.Join(names, " ")
}()
