package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/trace"
	"github.com/valetkey/valetkey/oauth"
)

// Front is what every request passes first: an id, the host check, the path
// check, and a net under panics.
type Front struct {
	Issuer  string
	Log     *slog.Logger
	Proxies []netip.Prefix
	Open    func(path string) bool // paths that answer any Host: operations
	Now     func() time.Time
	Access  bool          // log each request
	Meter   Meter         // nil: nobody counts
	Tracer  *trace.Tracer // nil: nothing is traced
	Next    http.Handler
}

type requestIDKey struct{}

// RequestID returns the id of the request that a context belongs to.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := secret.NewID()
	w.Header()["X-Request-Id"] = []string{id}
	ctx, v := f.began(r.Context(), r, id)
	r = r.WithContext(ctx)
	rec := &statusRecorder{ResponseWriter: w}
	defer f.finish(rec, r, v)
	switch {
	case !f.knownHost(r.Host) && !f.Open(r.URL.Path):
		http.Error(rec, "421 this server doesn't answer for that host", http.StatusMisdirectedRequest)
	case strangePath(r.URL):
		http.Error(rec, "404 not found", http.StatusNotFound)
	case strings.HasPrefix(f.Issuer, "https://"):
		w.Header().Set("Strict-Transport-Security", "max-age=63072000")
		f.Next.ServeHTTP(rec, r)
	default:
		f.Next.ServeHTTP(rec, r)
	}
}

// finish answers 500 after a panic if nothing was answered yet.
func (f *Front) finish(rec *statusRecorder, r *http.Request, v visit) {
	if fault := recover(); fault != nil {
		if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			f.ended(r, v, rec.status)
			panic(fault)
		}
		f.Log.ErrorContext(r.Context(), "panic", "request", v.id, "path", r.URL.Path, "fault", fmt.Sprint(fault), "stack", string(debug.Stack()))
		if f.Meter != nil {
			f.Meter.Panicked()
		}
		if rec.status == 0 {
			http.Error(rec, "500 internal server error", http.StatusInternalServerError)
		}
	}
	f.ended(r, v, rec.status)
}

// strangePath refuses what ServeMux would clean and answer by a redirect that
// sends a POST's body again.
func strangePath(u *url.URL) bool {
	path := u.EscapedPath()
	if strings.Contains(path, "//") || !strings.HasPrefix(path, "/") {
		return true
	}
	for seg := range strings.SplitSeq(u.Path, "/") {
		if seg == "." || seg == ".." {
			return true
		}
	}
	return false
}

// knownHost: CONTRACT §4, decision 17. Nothing is ever built from the Host
// header; it only has to be ours.
func (f *Front) knownHost(host string) bool {
	issuer, err := url.Parse(f.Issuer)
	if err != nil || host == "" {
		return false
	}
	if strings.EqualFold(host, issuer.Host) {
		return true
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, ""
	}
	name = strings.Trim(name, "[]")
	if strings.EqualFold(name, issuer.Hostname()) {
		return port == issuer.Port() || port == defaultPort(issuer.Scheme) && issuer.Port() == ""
	}
	return oauth.IsLoopbackHost(name) && oauth.IsLoopbackHost(issuer.Hostname()) && port == issuer.Port()
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// Address is the client's address: the peer's, or, when the peer is a trusted
// proxy, the last one in X-Forwarded-For that isn't.
func (f *Front) Address(r *http.Request) string {
	host := peer(r)
	if !f.trusted(host) {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if _, err := netip.ParseAddr(hop); err != nil {
			break
		}
		if host = hop; !f.trusted(hop) {
			break
		}
	}
	return host
}

// peer is who is at the other end of the connection.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (f *Front) trusted(address string) bool {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	for _, p := range f.Proxies {
		if p.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// statusRecorder remembers the status for the log.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *statusRecorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
