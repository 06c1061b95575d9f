package web

import (
	"net/http"
	"net/url"

	"rsc.io/qr"

	"github.com/valetkey/valetkey/oauth"
)

type deviceView struct {
	Action   string
	Form     string
	Code     string // as typed or as in the link
	FromLink bool   // the code came by an address, not by hand: it is there to be compared
	Problem  string
	Done     string // what was decided: approved or denied
	App      *appView
}

// showDevice asks for the code on a device: RFC 8628 §3.3. An address that has
// the code in it fills in the field and decides nothing.
func (w *Web) showDevice(rw http.ResponseWriter, r *http.Request) {
	code := oauth.CanonicalUserCode(r.URL.Query().Get("user_code"))
	w.renderDevice(rw, r, http.StatusOK, deviceView{Code: hyphened(code), FromLink: code != ""})
}

func (w *Web) renderDevice(rw http.ResponseWriter, r *http.Request, status int, v deviceView) {
	session, err := w.Session(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	v.Action, v.Form = "/device", w.formToken(rw, r, session, "device")
	l := w.speak(r)
	title := l.T("Connect a device")
	if v.FromLink {
		title = l.T("Compare the code")
	}
	w.render(rw, r, as{status: status}, "device", page{Title: title, D: v})
}

func hyphened(code string) string {
	if len(code) != 8 {
		return ""
	}
	return code[:4] + "-" + code[4:]
}

func (w *Web) postDevice(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	session, err := w.Session(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	if w.checkForm(r, form.Get("form"), session, "device") != nil {
		w.forbidden(rw, r)
		return
	}
	typed, standing := form.Get("user_code"), oauth.Standing{Session: session}
	in, err := w.OAuth.DeviceInteraction(r.Context(), typed, w.browser(r), w.Address(r), standing)
	if e := asError(err); err != nil && e.Parameter == "user_code" {
		w.renderDevice(rw, r, http.StatusUnprocessableEntity, deviceView{Code: cut(typed, 64), Problem: foreign(w.speak(r), e.Description)})
		return
	}
	var reply oauth.Reply
	if err == nil {
		reply, err = w.OAuth.Resume(r.Context(), in, standing)
	}
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.Reply(rw, r, reply)
}

// deviceDone says that the rest happens on the device.
func (w *Web) deviceDone(rw http.ResponseWriter, r *http.Request, done *oauth.DeviceDone) {
	v := deviceView{Done: "denied", App: viewApp(done.Client)}
	l := w.speak(r)
	title := l.T("Not connected")
	if done.Approved {
		v.Done, title = "approved", l.T("Connected")
	}
	w.render(rw, r, as{}, "device", page{Title: title, D: v})
}

// serveDeviceQR draws the address with the code in it, for a device that can
// show a picture and not make one: RFC 8628 §3.3.1.
func (w *Web) serveDeviceQR(rw http.ResponseWriter, r *http.Request) {
	code := oauth.CanonicalUserCode(r.URL.Query().Get("user_code"))
	if code == "" {
		w.NotFound(rw, r)
		return
	}
	w.serveQR(rw, r, w.Issuer+"/device?"+url.Values{"user_code": {hyphened(code)}}.Encode())
}

func (w *Web) serveQR(rw http.ResponseWriter, r *http.Request, text string) {
	picture, err := qr.Encode(text, qr.M)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.secureHeaders(rw, formSelf)
	rw.Header().Set("Content-Type", "image/png")
	_, _ = rw.Write(picture.PNG()) //nolint:gosec // a picture, and said to be one
}
