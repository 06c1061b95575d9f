package web

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/login"
)

// done says in one line what a button did just now, on the page that it leads to.
type done struct {
	Text string `json:"t"`
	Part string `json:"p,omitempty"` // where on that page it stands
}

// In is the line, where this is its part of the page.
func (d done) In(part string) string {
	if d.Part == part {
		return d.Text
	}
	return ""
}

// doneLife is long enough to write recovery codes down before the line is read.
const doneLife = 10 * time.Minute

// keepDone gives the browser a line for one look at a page. It is sealed to the
// session and the page: nobody else puts words there, and no address holds them.
func (w *Web) keepDone(v *visit, page string, d done) {
	d.Text = cut(d.Text, 300) // a cookie holds 4096 bytes
	content, err := json.Marshal(d)
	if err != nil { // strings always marshal
		panic(err)
	}
	w.setDone(v.rw, w.forms.Seal(content, w.doneBind(v, page)), doneLife)
}

// takeDone is the line for this page, once.
func (w *Web) takeDone(v *visit) (d done) {
	for _, c := range v.r.CookiesNamed(w.cookieName("done")) {
		content, err := w.forms.Open(c.Value, w.doneBind(v, v.r.URL.Path))
		if err == nil && json.Unmarshal(content, &d) == nil {
			w.setDone(v.rw, "", -time.Second)
			return d
		}
	}
	return done{}
}

func (w *Web) doneBind(v *visit, page string) []byte {
	return formBind(w.browser(v.r), "done\n"+v.rec.ID+"\n"+page)
}

// did answers a button: it goes on to a page, which says what was done, and to the
// part of it where that stands. Without words nothing was done.
func (w *Web) did(v *visit, page, part, words string) {
	to := page
	switch {
	case part != "":
		to += "#" + part
	case words != "":
		to += "#done"
	}
	if words != "" {
		w.keepDone(v, page, done{Text: words, Part: part})
	}
	w.redirect(v.rw, v.r, to)
}

// happened is what was written down of the person just now, in words; "" where it
// is none of these kinds. A button that was pressed twice finds it as well.
func (w *Web) happened(v *visit, kinds ...login.ActivityKind) string {
	found, err := w.Store.Activities(v.r.Context(), v.user.Subject, 1)
	if err != nil || len(found) == 0 || !slices.Contains(kinds, found[0].Kind) || w.Now().Sub(found[0].At) > time.Minute {
		return ""
	}
	words := w.activityInWords(v.l, found[0])
	if now, err := w.Login.User(v.r.Context(), v.user.Subject); err == nil && v.user.TwoStep && !now.TwoStep && found[0].Kind != login.DidSwitchTwoStep {
		return v.l.T("{0}, and the second step is off: nothing is left to ask for", words) // it goes with the last factor
	}
	return words
}
