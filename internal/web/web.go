// Package web shows pages: sign-in, consent, sign-out, a person's account and
// the developer portal. It asks the rules in oauth and login, and knows none
// itself: what a page may do next is always the answer of one of them.
//
// Every page is plain HTML that works without script. A form carries a sealed
// token that names the browser, the session and what was shown.
package web

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// Config is what the pages need. Name, Log and Address have defaults.
type Config struct {
	OAuth   *oauth.Server
	Store   *store.Store
	Login   *login.Service
	Keyring *seal.Keyring
	Others  *upstream.Registry // nil: nobody comes from another provider
	Mailbox *mail.Mailbox      // nil: letters are sent, or there are none

	Issuer      string                     // no trailing slash
	Name        string                     // the operator's name above each page; "Valet Key"
	Signup      bool                       // anybody may make an account
	Now         func() time.Time           // the clock
	Log         *slog.Logger               // what failed behind an error page
	Brand       Brand                      // how the pages look
	Brands      map[string]Brand           // the same for single apps, by client id
	Overlay     string                     // folder of the operator's own templates, in place of ours of the same name and beside them
	TemplateDir string                     // read templates from here on each page, while working on them
	Address     func(*http.Request) string // the browser's IP, trusted proxies resolved
}

// Web serves the pages.
type Web struct {
	Config

	secure bool   // the issuer is https
	origin string // the issuer's origin
	host   string // its host, shown to people
	pages  *pages
	static *static
	look   look
	looks  map[string]look
	forms  *seal.Box
	routes *http.ServeMux
}

// New parses the templates and returns the pages.
func New(c Config) (*Web, error) {
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("web: issuer %q is no address", c.Issuer)
	}
	fillDefaults(&c)
	w := &Web{
		Config: c, secure: issuer.Scheme == "https",
		origin: issuer.Scheme + "://" + issuer.Host, host: issuer.Host,
		forms: c.Keyring.Box("form", ""),
	}
	if w.static, err = loadStatic(); err != nil {
		return nil, err
	}
	if err := w.brandsReady(); err != nil {
		return nil, err
	}
	if w.pages, err = loadPages(c.TemplateDir, c.Overlay, w.static); err != nil {
		return nil, err
	}
	for _, a := range c.Login.Chain {
		if a.Template == "" {
			continue
		}
		if err := w.pages.checkOwn(a); err != nil {
			return nil, fmt.Errorf("web: authenticator %s: %w", a.Name, err)
		}
	}
	return w, nil
}

func fillDefaults(c *Config) {
	if c.Name == "" {
		c.Name = "Valet Key"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Address == nil {
		c.Address = remoteAddress
	}
}

// remoteAddress is the peer itself, for a server without proxies in front.
func remoteAddress(r *http.Request) string {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap().String()
	}
	return r.RemoteAddr
}

// route is one row of the site map.
type route struct {
	pattern string
	handle  http.HandlerFunc
}

// siteMap lists every page. A POST behind Guard can't come from another site;
// sign-out takes such posts as a question (OpenID Connect RP-Initiated Logout
// §2) and guards itself.
func (w *Web) siteMap() []route {
	return append([]route{
		{"GET /{$}", w.home},
		{"GET /login", w.showLogin},
		{"POST /login", w.postLogin},
		{"GET /select", w.showSelect},
		{"POST /select", w.postSelect},
		{"GET /consent", w.showConsent},
		{"POST /consent", w.postConsent},
		{"GET /back", w.back},
		{"GET /signup", w.showSignup},
		{"POST /signup", w.postSignup},
		{"GET /setup", w.showSetup},
		{"POST /setup", w.postSetup},
		{"GET /device", w.showDevice},
		{"POST /device", w.postDevice},
		{"GET /device/qr", w.serveDeviceQR},
		{"GET /logout", w.showLogout},
		{"POST /logout", w.postLogout},
		{"GET /logout/continue", w.afterLogout},
		{"POST /language", w.postLanguage},
		{"GET /static/{file}", w.serveStatic},
		{"GET /favicon.ico", w.serveFavicon},
		{"GET /logos/{id}", w.serveLogo},
	}, slices.Concat(w.accountMap(), w.developerMap(), w.peopleMap())...)
}

// Routes registers every page on mux, and the answer for what is no page.
func (w *Web) Routes(mux *http.ServeMux) {
	zip, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.ContentTypes([]string{"text/html", "text/css", "text/javascript", "image/svg+xml"}))
	if err != nil { // its options are constants
		panic(err)
	}
	for _, r := range w.siteMap() {
		mux.Handle(r.pattern, zip(listening(w.guardUnlessLogout(r))))
	}
	mux.HandleFunc("POST /login/backchannel/{name}", w.backchannel) // no page: a provider's server sends it
	w.routes = mux
	mux.Handle("/", zip(http.HandlerFunc(w.noSuchPage)))
}

func (w *Web) guardUnlessLogout(r route) http.Handler {
	if strings.HasSuffix(r.pattern, " /logout") {
		return r.handle
	}
	return w.Guard(r.handle)
}

// home leads to the one page that everybody has.
func (w *Web) home(rw http.ResponseWriter, r *http.Request) { w.redirect(rw, r, "/account") }

// subFS is fs.Sub for directories that are embedded and so are there.
func subFS(f fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(f, dir)
	if err != nil {
		panic(err)
	}
	return sub
}
