package web

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// Caps on a multipart form. Everything is read as a stream into memory that
// they bound; nothing is written to a file.
const (
	maxLogo    = 1 << 20
	maxUpload  = maxLogo + 256<<10
	maxParts   = 200
	maxField   = 32 << 10
	maxHeaders = 8 // of one part
)

// upload is a multipart form that was read.
type upload struct {
	name   string // of the one field that holds a picture
	fields url.Values
	logo   []byte
	fault  error // of the picture alone
}

var errLarge = errors.New("the picture is larger than 1 MiB")

// readAppForm reads the form of an app and checks its token; it answers itself
// when that can't be.
func (w *Web) readAppForm(v *visit, purpose string) (appForm, bool) {
	up, status, bad := readUpload(v.rw, v.r, "logo")
	switch {
	case bad != nil && status == http.StatusRequestEntityTooLarge:
		w.showError(v.rw, v.r, status, errorView{
			What: v.l.T("That is too much at once"), Why: v.l.T("A logo has at most 1 MiB. Nothing was changed."), Do: v.l.T("Go back and choose a smaller file."), Code: bad.Code, Detail: inDetail(v.l, bad),
		})
		return appForm{}, false
	case bad != nil:
		w.invalidForm(v.rw, v.r, bad)
		return appForm{}, false
	case w.checkForm(v.r, up.fields.Get("form"), v.rec.Session, purpose, v.r.PathValue("id")) != nil:
		w.forbidden(v.rw, v.r)
		return appForm{}, false
	}
	return up.appForm(v.l), true
}

func (u upload) appForm(l *locale.Locale) appForm {
	get := func(name string) string { return strings.TrimSpace(u.fields.Get(name)) }
	form := appForm{
		Name: get("name"), Description: get("description"), Homepage: get("homepage"), Audience: get("audience"), Type: get("type"),
		Policy: get("policy"), Terms: get("terms"), Callbacks: get("callbacks"), SignedOut: get("signed_out"),
		Scopes: u.fields["scope"], removeLogo: get("remove_logo") != "", Device: get("device") != "",
	}
	remade, why, status := u.picture(l)
	if form.logo = remade; why != "" {
		form.logoStatus = status
		form.fault("logo", why)
	}
	return form
}

// picture is what was uploaded, made anew; nil when nothing was. Else it says
// why it isn't taken, and the status that goes with it.
func (u upload) picture(l *locale.Locale) (png []byte, why string, status int) {
	err := u.fault
	if err == nil && len(u.logo) > 0 {
		png, err = remakeLogo(u.logo)
	}
	switch {
	case errors.Is(err, errKind):
		return nil, l.T("This is no PNG, JPEG, GIF or WebP picture. SVG isn't taken: export it as PNG."), http.StatusUnsupportedMediaType
	case errors.Is(err, errLarge):
		return nil, l.T("The file is larger than 1 MiB."), http.StatusRequestEntityTooLarge
	case errors.Is(err, errSize):
		return nil, l.T("The picture has more than 4096 pixels on a side."), http.StatusUnprocessableEntity
	case err != nil:
		return nil, l.T("The picture is damaged."), http.StatusUnprocessableEntity
	}
	return png, "", 0
}

// readUpload streams a multipart body with a picture in the field of a name, or
// takes the urlencoded one of a form without a file. The status goes with the
// error.
func readUpload(rw http.ResponseWriter, r *http.Request, name string) (upload, int, *oauth.Error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		fields, bad := readForm(rw, r, "scope")
		return upload{name: name, fields: fields}, http.StatusBadRequest, bad
	}
	r.Body = http.MaxBytesReader(rw, r.Body, maxUpload)
	parts, err := r.MultipartReader()
	if err != nil {
		return upload{}, http.StatusBadRequest, badForm("the form has no boundary")
	}
	up := upload{name: name, fields: url.Values{}}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return up, http.StatusBadRequest, judgeForm(up.fields, []string{"scope"})
		}
		if err == nil && (n >= maxParts || len(part.Header) > maxHeaders) {
			return up, http.StatusBadRequest, badForm("the form has too many parts")
		}
		if err == nil {
			err = up.take(part)
		}
		if err != nil {
			return up, uploadStatus(err), badForm("the form can't be read")
		}
	}
}

func uploadStatus(err error) int {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// take reads one part. A file's name is the sender's and is never used.
func (u *upload) take(part *multipart.Part) error {
	defer func() { _ = part.Close() }()
	name := part.FormName()
	if name == u.name {
		return u.takeLogo(part)
	}
	value, err := io.ReadAll(io.LimitReader(part, maxField+1))
	switch {
	case err != nil:
		return err
	case name == "" || len(value) > maxField:
		return errors.New("a field has no name or is too long")
	}
	u.fields.Add(name, string(value))
	return nil
}

func (u *upload) takeLogo(part io.Reader) error {
	content, err := io.ReadAll(io.LimitReader(part, maxLogo+1))
	if err != nil {
		return err
	}
	switch {
	case len(content) > maxLogo:
		u.fault = errLarge
	case len(u.logo) > 0:
		return errors.New("two pictures")
	default:
		u.logo = content
	}
	return nil
}
