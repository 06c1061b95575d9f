package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// pictureView is the part of the profile page about a person's picture.
type pictureView struct {
	Path    string // "" for none
	Host    string // where another one lies that apps are told of
	Form    string
	Remove  string
	Problem string
}

func (w *Web) viewPicture(v *visit, view pictureView) pictureView {
	view.Path, view.Form, view.Remove = v.user.PicturePath(), w.token(v, "picture"), w.token(v, "picture-remove")
	if elsewhere, _ := v.user.Claims["picture"].(string); view.Path == "" && elsewhere != "" {
		if view.Host = hostname(elsewhere); view.Host == "" {
			view.Host = elsewhere
		}
	}
	return view
}

// postPicture takes a picture as a logo is taken: cases 224 to 229. Its form is
// read by hand, since it is of another type.
func (w *Web) postPicture(v *visit) {
	up, status, bad := readUpload(v.rw, v.r, "picture")
	switch {
	case bad != nil && status == http.StatusRequestEntityTooLarge:
		w.refusePicture(v, status, v.l.T("The file is larger than 1 MiB."))
		return
	case bad != nil:
		w.invalidForm(v.rw, v.r, bad)
		return
	case w.checkForm(v.r, up.fields.Get("form"), v.rec.Session, "picture", v.r.PathValue("id")) != nil:
		w.forbidden(v.rw, v.r)
		return
	}
	png, why, status := up.picture(v.l)
	switch {
	case why != "":
		w.refusePicture(v, status, why)
	case png == nil:
		w.refusePicture(v, http.StatusUnprocessableEntity, v.l.T("Choose a file first."))
	case w.Login.Elsewhere(v.user):
		w.refusePicture(v, http.StatusForbidden, "")
	default:
		w.keepPicture(v, png)
	}
}

func (w *Web) refusePicture(v *visit, status int, why string) {
	w.renderProfile(v, status, v.user.Profile(), nil, pictureView{Problem: why})
}

func (w *Web) removePicture(v *visit) {
	if w.Login.Elsewhere(v.user) {
		w.refusePicture(v, http.StatusForbidden, "")
		return
	}
	w.keepPicture(v, nil)
}

// keepPicture keeps a picture of ours in place of every other, or none.
func (w *Web) keepPicture(v *visit, png []byte) {
	err := w.Store.SetPicture(v.r.Context(), v.user.Subject, secret.NewID(), png)
	if err == nil {
		err = w.Login.PictureChanged(v.r.Context(), v.user, w.visitor(v.r))
	}
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.did(v, "/account/profile", "", w.happened(v, login.DidChangeProfile))
}

// servePicture sends a PNG that was made here. Apps show it on pages of their
// own, which is what the claim is for; its id is known to nobody whom they
// weren't told. What was removed is gone from browsers within a day.
func (w *Web) servePicture(rw http.ResponseWriter, r *http.Request) {
	content, err := w.Store.Picture(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		w.NotFound(rw, r)
		return
	case err != nil:
		w.fail(rw, r, err)
		return
	}
	sendPNG(rw, content, "cross-origin", "public, max-age=86400")
}
