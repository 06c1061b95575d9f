package valetkey

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// checkEphemeral: a server where anybody is whom they say must hold nothing and
// be reached from its own machine only.
func (c *Config) checkEphemeral() error {
	if !c.Ephemeral {
		return nil
	}
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || !oauth.IsLoopbackHost(u.Hostname()):
		return errors.New("an ephemeral server is for this machine alone: its issuer must be on a loopback host")
	case c.Database != "" && c.Database != "sqlite::memory:":
		return errors.New("an ephemeral server keeps its database in memory")
	case c.Users != nil:
		return errors.New("an ephemeral server has users of its own")
	}
	return nil
}

// testClock is real time that POST /test/clock moves.
type testClock struct {
	real   func() time.Time
	offset atomic.Int64
}

func (c *testClock) now() time.Time { return c.real().Add(time.Duration(c.offset.Load())) }

// maxOffset keeps times within what tokens can say.
const maxOffset = 100 * 365 * 24 * time.Hour

// routes are the test's own.
func (c *testClock) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /test/clock", func(w http.ResponseWriter, _ *http.Request) { c.tell(w) })
	mux.HandleFunc("POST /test/clock", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4096)
		if err := c.move(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.tell(w)
	})
}

func (c *testClock) tell(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"now": c.now().UTC().Format(time.RFC3339), "offset_seconds": int64(time.Duration(c.offset.Load()).Seconds()),
	})
}

// move takes advance=DURATION, which may be negative, set=TIME (RFC 3339) or
// reset=true, from a form.
func (c *testClock) move(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("send a form with advance=61s, set=2030-01-02T15:04:05Z or reset=true: %w", err)
	}
	form, offset := r.PostForm, time.Duration(c.offset.Load())
	switch {
	case form.Get("advance") != "":
		by, err := time.ParseDuration(form.Get("advance"))
		if err != nil {
			return errors.New("advance is a duration such as 61s, 10m or -1h")
		}
		offset += by
	case form.Get("set") != "":
		at, err := time.Parse(time.RFC3339, form.Get("set"))
		if err != nil {
			return errors.New("set is a time such as 2030-01-02T15:04:05Z")
		}
		offset = at.Sub(c.real())
	case form.Get("reset") == "true":
		offset = 0
	default:
		return errors.New("send a form with advance=61s, set=2030-01-02T15:04:05Z or reset=true")
	}
	if offset > maxOffset || offset < -maxOffset {
		return errors.New("that is more than a hundred years away")
	}
	c.offset.Store(int64(offset))
	return nil
}

// quickHash is a password's hash that costs nothing to speak of, so that a test's
// server is ready at once. It is made anew, as all are, at the first sign-in.
func quickHash(password string) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	const rounds = 1000
	sum, err := pbkdf2.Key(sha256.New, password, salt, rounds, 32)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$pbkdf2-sha256$i=%d,l=%d$%s$%s", rounds, len(sum), b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}
