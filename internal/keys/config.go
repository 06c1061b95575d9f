package keys

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/seal"
)

// Config is what a Ring needs. Store, Box and Now must be set.
type Config struct {
	Store Store
	Box   *seal.Box // of a kind that nothing else uses
	Now   func() time.Time

	Algs    []jose.Alg      // of which there is always a key; default ES256 and RS256
	Period  time.Duration   // a key signs that long; default 90 days
	Lead    time.Duration   // published before it signs; default 24 h, above the key set's max-age
	Overlap time.Duration   // published after it retired; default 24 h, above any token's life
	Poll    time.Duration   // how soon another process's doings are seen at the latest; default 2 s
	Changed <-chan struct{} // says that there may be some; nil: nobody does
	Log     *slog.Logger

	// OneOff is for a command that looks or rotates and ends: New makes no keys.
	OneOff bool
}

func (c Config) withDefaults() (Config, error) {
	if c.Store == nil || c.Box == nil || c.Now == nil {
		return c, errors.New("signing keys: Store, Box and Now must be set")
	}
	if c.Algs == nil {
		c.Algs = []jose.Alg{jose.ES256, jose.RS256}
	}
	for _, alg := range c.Algs {
		if !alg.Valid() {
			return c, fmt.Errorf("signing keys: unknown algorithm %q", alg)
		}
	}
	for d, def := range map[*time.Duration]time.Duration{
		&c.Period: 90 * 24 * time.Hour, &c.Lead: 24 * time.Hour, &c.Overlap: 24 * time.Hour, &c.Poll: 2 * time.Second,
	} {
		if *d <= 0 {
			*d = def
		}
	}
	if c.Lead >= c.Period {
		return c, fmt.Errorf("signing keys: published %s ahead, which must be less than the %s that a key signs", c.Lead, c.Period)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
