package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valetkey/valetkey/oauth"
)

// formLife is how long a page may stay open before its form is refused.
const formLife = 12 * time.Hour

// maxForm caps a form's body.
const maxForm = 64 << 10

// What a posted form may be instead of good.
var (
	errForged = errors.New("form token is missing or not this browser's")
	errStale  = errors.New("form token is of another session, of something else, or old")
)

// formToken is what a form's hidden field says, sealed to browser and purpose.
type formToken struct {
	Session string `json:"s,omitempty"`
	Shown   string `json:"h,omitempty"`
	At      int64  `json:"t"`
}

// formToken seals a token for a form of one purpose. What the person was
// shown and agrees to by posting goes into shown.
func (w *Web) formToken(rw http.ResponseWriter, r *http.Request, session oauth.Session, purpose string, shown ...string) string {
	content, err := json.Marshal(formToken{Session: session.ID, Shown: digest(shown), At: w.Now().Unix()})
	if err != nil { // strings and a number always marshal
		panic(err)
	}
	return w.forms.Seal(content, formBind(w.Browser(rw, r), purpose))
}

// checkForm opens the posted token: errForged when it isn't for this browser
// and purpose, errStale when session or what was shown have changed since.
func (w *Web) checkForm(r *http.Request, token string, session oauth.Session, purpose string, shown ...string) error {
	browser := w.browser(r)
	if browser == "" || token == "" {
		return errForged
	}
	content, err := w.forms.Open(token, formBind(browser, purpose))
	if err != nil {
		return errForged
	}
	var t formToken
	if err := json.Unmarshal(content, &t); err != nil {
		return errForged
	}
	age := w.Now().Sub(time.Unix(t.At, 0))
	if t.Session != session.ID || t.Shown != digest(shown) || age > formLife || age < -time.Minute {
		return errStale
	}
	return nil
}

func formBind(browser, purpose string) []byte { return []byte(browser + "\n" + purpose) }

// digest keeps a token short however much was shown.
func digest(shown []string) string {
	if len(shown) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, s := range shown {
		part := sha256.Sum256([]byte(s))
		sum.Write(part[:])
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

// readForm reads a urlencoded body and nothing else: no query, no other type,
// no field twice but those named.
func readForm(rw http.ResponseWriter, r *http.Request, repeatable ...string) (url.Values, *oauth.Error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		return nil, badForm("a form is sent as application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(rw, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, badForm("the form can't be read")
	}
	return r.PostForm, judgeForm(r.PostForm, repeatable)
}

func judgeForm(form url.Values, repeatable []string) *oauth.Error {
	for name, values := range form {
		if len(values) > 1 && !contains(repeatable, name) {
			return badForm("a field was sent more than once")
		}
		for _, v := range values {
			if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
				return badForm("a field holds what is no text")
			}
		}
	}
	return nil
}

func badForm(why string) *oauth.Error {
	return &oauth.Error{Code: oauth.CodeInvalidRequest, Description: why}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
