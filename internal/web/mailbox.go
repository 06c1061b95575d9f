package web

import (
	"net/http"

	"github.com/valetkey/valetkey/internal/mail"
)

// showMailbox lists the letters of a server that sends none: of a demo or a
// test, where whoever is here may read them all.
func (w *Web) showMailbox(rw http.ResponseWriter, r *http.Request) {
	if w.Mailbox == nil {
		w.NotFound(rw, r)
		return
	}
	w.render(rw, r, as{secret: true}, "mailbox", page{Title: w.speak(r).T("Mailbox"), D: w.Mailbox.List()})
}

func (w *Web) showLetter(rw http.ResponseWriter, r *http.Request) {
	var letter mail.Received
	ok := false
	if w.Mailbox != nil {
		letter, ok = w.Mailbox.Get(r.PathValue("id"))
	}
	if !ok {
		w.NotFound(rw, r)
		return
	}
	w.render(rw, r, as{secret: true}, "letter", page{Title: letter.Subject, D: letter})
}
