package fetch

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/valetkey/valetkey/oauth"
)

// serve starts a TLS server and a client that trusts it.
func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, *Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, New(Config{AllowLoopback: true, Roots: roots})
}

func answer(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent && status != http.StatusNotModified {
			_, _ = io.WriteString(w, "the body")
		}
	}
}

// outcome is "ok", or the cause of an ErrFailed.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case !errors.Is(err, ErrFailed):
		return "another error: " + err.Error()
	case strings.Contains(err.Error(), "the body"):
		return "the body is in the error: " + err.Error()
	}
	return err.Error()
}

func TestGet(t *testing.T) {
	var got *http.Request
	s, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b", Path: "/"})
		answer(200, "Content-Type", "application/json; charset=utf-8", "Cache-Control", "max-age=60")(w, r)
	})
	for range 2 {
		doc, err := c.Get(t.Context(), s.URL+"/a?b=c", 8, "application/jwk-set+json", "application/json")
		if err != nil || string(doc.Body) != "the body" || doc.MaxAge != time.Minute {
			t.Fatalf("%+v, %v", doc, err)
		}
		if got.URL.String() != "/a?b=c" || got.Header.Get("Cookie") != "" || got.Header.Get("Accept-Encoding") != "" ||
			got.UserAgent() != "valetkey" || got.Header.Get("Accept") != "application/jwk-set+json, application/json" {
			t.Errorf("%s %v", got.URL, got.Header)
		}
	}
}

func TestPost(t *testing.T) {
	status := http.StatusOK
	s, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.PostFormValue("logout_token") != "a b" {
			t.Errorf("%s %v", r.Method, r.PostForm)
		}
		w.Header().Set("Location", "/else")
		answer(status)(w, r)
	})
	for _, status = range []int{200, 202, 204} {
		if got := outcome(c.Post(t.Context(), s.URL, map[string]string{"logout_token": "a b"})); got != "ok" {
			t.Errorf("%d: %s", status, got)
		}
	}
	for _, status = range []int{205, 302, 307, 308, 400, 401, 500} {
		if got := outcome(c.Post(t.Context(), s.URL, map[string]string{"logout_token": "a b"})); !strings.Contains(got, fmt.Sprint("status ", status)) {
			t.Errorf("%d: %s", status, got)
		}
	}
}

// Cases 158 and 178: anything but 200 is refused, a redirect above all.
func TestCase178Statuses(t *testing.T) {
	var elsewhere atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer target.Close()
	for _, status := range []int{201, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 401, 404, 500, 503} {
		s, c := serve(t, answer(status, "Location", target.URL, "Content-Type", "application/json"))
		doc, err := c.Get(t.Context(), s.URL, 100, "application/json")
		if got := outcome(err); !strings.HasSuffix(got, fmt.Sprint("the answer has status ", status)) || doc.Body != nil {
			t.Errorf("%d: %s", status, got)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d redirects followed", n)
	}
}

func TestAnswers(t *testing.T) {
	zipped := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(make([]byte, 1<<20))
		_ = z.Close()
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 1<<10))
		}
	}
	// The connection is taken over to write what net/http never would.
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, text)
				_ = conn.Close()
			}
		}
	}
	for name, tt := range map[string]struct {
		h     http.HandlerFunc
		types []string
		want  string
	}{
		"one of the types":      {answer(200, "Content-Type", "APPLICATION/json;x=y"), []string{"a/b", "application/json"}, "ok"},
		"any type":              {answer(200, "Content-Type", "x"), nil, "ok"},
		"another type":          {answer(200, "Content-Type", "text/html"), []string{"application/json"}, "content type"},
		"no type":               {answer(200, "Content-Type", ""), []string{"application/json"}, "content type"},
		"a longer type":         {answer(200, "Content-Type", "application/json+x"), []string{"application/json"}, "content type"},
		"two types":             {answer(200, "Content-Type", "application/json, text/html"), []string{"application/json"}, "content type"},
		"compressed":            {zipped, nil, "compressed"},
		"endless":               {endless, nil, "more than 8 bytes"},
		"too long, and says so": {raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthe body!"), nil, "more than 8 bytes"},
		"cut off":               {raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe"), nil, "not HTTP"},
		"not HTTP":              {raw("SSH-2.0-the body\r\n"), nil, "not HTTP"},
		"a bad header":          {raw("HTTP/1.1 200 OK\r\nthe body\r\n\r\n"), nil, "not HTTP"},
		"a bad status":          {raw("HTTP/1.1 the body\r\n\r\n"), nil, "not HTTP"},
		"long headers":          {raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"), nil, "not HTTP"},
		"nothing":               {raw(""), nil, "not HTTP"},
	} {
		s, c := serve(t, tt.h)
		doc, err := c.Get(t.Context(), s.URL, 8, tt.types...)
		if got := outcome(err); got != tt.want && (tt.want == "ok" || !strings.Contains(got, tt.want)) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		if (err == nil) != (doc.Body != nil) {
			t.Errorf("%s: %q and %v", name, doc.Body, err)
		}
	}
}

func TestMaxAge(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "max-age=60": time.Minute, "public, Max-Age=60": time.Minute, `max-age="60"`: time.Minute, "max-age=0": 0,
		"no-store, max-age=60": 0, "max-age=60, no-cache": 0, "max-age=-1": 0, "max-age=x": 0, "max-age=9999999999999": 0, "s-maxage=60": 0,
	} {
		if got := maxAge([]string{header}); got != want {
			t.Errorf("%q: %s", header, got)
		}
	}
	if got := maxAge([]string{"max-age=60", "no-store"}); got != 0 {
		t.Errorf("two headers: %s", got)
	}
}

// A server of ours is trusted by our roots only, and by its name.
func TestCertificates(t *testing.T) {
	s, c := serve(t, answer(200))
	stranger := New(Config{AllowLoopback: true, Roots: x509.NewCertPool()})
	if got := outcome(second(stranger.Get(t.Context(), s.URL, 8))); !strings.Contains(got, "certificate") {
		t.Errorf("unknown authority: %s", got)
	}
	if got := outcome(second(c.Get(t.Context(), strings.Replace(s.URL, "127.0.0.1", "localhost", 1), 8))); !strings.Contains(got, "localhost") {
		t.Errorf("another name: %s", got)
	}
	if got := outcome(second(c.Get(t.Context(), strings.Replace(s.URL, "https", "http", 1), 100))); !strings.Contains(got, "status 400") {
		t.Errorf("http to a TLS port: %s", got)
	}
	plain := httptest.NewServer(answer(200))
	defer plain.Close()
	if got := outcome(second(c.Get(t.Context(), strings.Replace(plain.URL, "http", "https", 1), 8))); got == "ok" {
		t.Error("https to a plain port")
	}
}

func second(_ oauth.Document, err error) error { return err }

// Case 158 and 166: without AllowLoopback a listener here hears nothing.
func TestCase158NoConnection(t *testing.T) {
	var heard atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			_ = conn.Close()
		}
	}()
	t.Setenv("HTTPS_PROXY", "http://"+l.Addr().String())
	t.Setenv("ALL_PROXY", "http://"+l.Addr().String())
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c := New(Config{})
	c.dialer.Resolver = fakeDNS(t, "127.0.0.1", "127.0.0.1")
	for _, host := range []string{"127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:7f00:1]", "localhost", "127.1", "2130706433", "rebind.example", "[64:ff9b::7f00:1]"} {
		if got := outcome(second(c.Get(t.Context(), "https://"+host+":"+port, 8))); !strings.HasPrefix(got, ErrFailed.Error()+": ") {
			t.Errorf("%s: %s", host, got)
		}
	}
	if n := heard.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
	if c.http.Transport.(*http.Transport).Proxy != nil { // the environment is read once a process
		t.Error("a proxy may be asked")
	}
}

// Case 166: a name that is public when looked at, and private when used.
func TestCase166Rebinding(t *testing.T) {
	stop := errors.New("public enough")
	var dialled []string
	c := New(Config{})
	c.dialer.Resolver = fakeDNS(t, "8.8.8.8", "169.254.169.254", "10.0.0.1", "8.8.4.4")
	c.dialer.Control = func(network, address string, conn syscall.RawConn) error {
		if err := c.control(network, address, conn); err != nil {
			return err
		}
		dialled = append(dialled, address)
		return &net.OpError{Op: "dial", Net: network, Err: stop} // no packet leaves
	}
	for i, want := range []string{stop.Error(), "not a public address", "not a public address", stop.Error()} {
		if got := outcome(second(c.Get(t.Context(), "https://rebind.example/", 8))); !strings.Contains(got, want) {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	if got := strings.Join(dialled, " "); got != "8.8.8.8:443 8.8.4.4:443" {
		t.Errorf("dialled %s", got)
	}
}

// fakeDNS answers every question for an A record with the next address, and
// the last one for ever.
func fakeDNS(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(buf[:n]); err != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(addresses[0]).To4())},
				}}
				if len(addresses) > 1 {
					addresses = addresses[1:]
				}
			}
			if reply, err := m.Pack(); err == nil {
				_, _ = server.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// A server that never ends, in headers or body, costs the whole time and no more.
func TestSlowServer(t *testing.T) {
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	for name, h := range map[string]http.HandlerFunc{
		"headers": func(http.ResponseWriter, *http.Request) { <-block },
		"body": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "the")
			_ = http.NewResponseController(w).Flush()
			<-block
		},
	} {
		s := httptest.NewServer(h)
		c := New(Config{AllowLoopback: true})
		c.timeout = 50 * time.Millisecond
		before := time.Now()
		_, err := c.Get(t.Context(), s.URL, 8)
		if got := outcome(err); !errors.Is(err, context.DeadlineExceeded) || time.Since(before) > time.Second {
			t.Errorf("%s: %s after %s", name, got, time.Since(before))
		}
		c.timeout = wholeTime
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := c.Get(ctx, s.URL, 8); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, given up: %v", name, err)
		}
	}
}

// A thousand requests to a slow host fail at once but for two, and another
// host doesn't notice.
func TestSlowHostDelaysNobody(t *testing.T) {
	block := make(chan struct{})
	var inside, most atomic.Int64
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		most.Store(max(most.Load(), inside.Add(1)))
		<-block
		inside.Add(-1)
	}))
	quick := httptest.NewUnstartedServer(answer(200))
	quick.Listener, _ = net.Listen("tcp", "127.0.0.2:0")
	quick.Start()
	defer quick.Close()
	c := New(Config{AllowLoopback: true})
	var wg sync.WaitGroup
	var refusals, others atomic.Int64
	for range 1000 {
		wg.Go(func() {
			switch got := outcome(second(c.Get(t.Context(), slow.URL, 8))); {
			case strings.HasSuffix(got, "2 requests to this host are under way"):
				refusals.Add(1)
			case got != "ok":
				others.Add(1)
				t.Error(got)
			}
		})
	}
	for refusals.Load() < 998 && others.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	before := time.Now()
	if got := outcome(second(c.Get(t.Context(), quick.URL, 8))); got != "ok" || time.Since(before) > 500*time.Millisecond {
		t.Errorf("another host: %s after %s", got, time.Since(before))
	}
	close(block)
	wg.Wait()
	slow.Close()
	if most.Load() > 2 || refusals.Load() != 998 {
		t.Errorf("%d at once, %d refused", most.Load(), refusals.Load())
	}
	if c.slots.total != 0 || len(c.slots.hosts) != 0 {
		t.Errorf("slots left: %+v", c.slots.hosts)
	}
}

func TestSlotsInAll(t *testing.T) {
	s := slots{hosts: map[string]int{}}
	for i := range maxInFlight {
		if err := s.take(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.take(t.Context(), "one more"); err == nil {
		t.Error("129 are under way")
	}
	s.free("0")
	if err := s.take(t.Context(), "one more"); err != nil {
		t.Error(err)
	}
}

// TestSlotsAreBounded: many hosts leave nothing behind, and no more are kept
// than requests are under way.
func TestSlotsAreBounded(t *testing.T) {
	s := slots{hosts: map[string]int{}}
	for i := range 300_000 {
		host := fmt.Sprint(i, ".example")
		if _, err := s.tryTake(host); (err != nil) != (i >= maxInFlight) {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if len(s.hosts) != maxInFlight {
		t.Errorf("%d hosts are kept", len(s.hosts))
	}
	for i := range maxInFlight {
		s.free(fmt.Sprint(i, ".example"))
	}
	if len(s.hosts) != 0 || s.total != 0 {
		t.Errorf("%d hosts are left", len(s.hosts))
	}
}
