package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Times of these tests, in the proportion of the real ones.
const (
	shortUnread = 1500 * time.Millisecond
	shortAnswer = 12 * time.Second
)

// stalls is a server of long answers that says when a connection has ended.
func stalls(t *testing.T, secure bool) (address string, ended <-chan time.Time) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var listener net.Listener = patientListener{inner, shortUnread}
	if secure {
		cert, key := pair()
		config := (&certificate{}).terms()
		config.GetCertificate = nil
		if config.Certificates = make([]tls.Certificate, 1); err == nil {
			config.Certificates[0], err = tls.X509KeyPair(cert, key)
		}
		if err != nil {
			t.Fatal(err)
		}
		listener = tls.NewListener(listener, config)
	}
	server := newHTTP(nil, discard)
	server.WriteTimeout = shortAnswer
	server.Handler = patientStreams(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(make([]byte, size))
	}), shortUnread, shortAnswer)
	at := make(chan time.Time, 16)
	server.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			at <- time.Now()
		}
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return inner.Addr().String(), at
}

// reach opens a connection whose kernel holds little of what isn't read: with
// less it would stop and go by itself.
func reach(t *testing.T, address, protocol string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(32 << 10)
	if protocol == "" {
		return c
	}
	cert, _ := pair()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", NextProtos: []string{protocol}, MinVersion: tls.VersionTLS13})
}

// ask2 asks for size bytes over HTTP/2 with a window for as many.
func ask2(t *testing.T, c net.Conn, size, window int) *http2.Framer {
	t.Helper()
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "127.0.0.1"}, {":path", "/" + strconv.Itoa(size)}} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	f := http2.NewFramer(c, c)
	for _, err := range []error{
		f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(window)}),
		f.WriteSettingsAck(), f.WriteWindowUpdate(0, 1<<30),
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// ask1 asks for size bytes.
func ask1(t *testing.T, c net.Conn, size int) {
	t.Helper()
	if _, err := io.WriteString(c, "GET /"+strconv.Itoa(size)+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

// TestUnreadAnswer: case 329. Who takes nothing of an answer is left in the time
// for that, whatever is spoken, and not when the whole answer's time is over.
func TestUnreadAnswer(t *testing.T) {
	t.Parallel()
	const long = 16 << 20
	for name, begin := range map[string]func(*testing.T, string){
		"plain":        func(t *testing.T, a string) { ask1(t, reach(t, a, ""), long) },
		"tls http/1.1": func(t *testing.T, a string) { ask1(t, reach(t, a, "http/1.1"), long) },
		"tls h2":       func(t *testing.T, a string) { ask2(t, reach(t, a, "h2"), long, 1<<30) },
		"plain, again and again": func(t *testing.T, a string) {
			c := reach(t, a, "")
			go func() {
				for err := error(nil); err == nil; {
					_, err = io.WriteString(c, strings.Repeat("GET /2000 HTTP/1.1\r\nHost: x\r\n\r\n", 64))
				}
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, ended := stalls(t, strings.HasPrefix(name, "tls"))
			began := time.Now()
			begin(t, address)
			if took := (<-ended).Sub(began); took < shortUnread || took > 2*shortUnread+time.Second {
				t.Errorf("left after %s", took)
			}
		})
	}
}

// TestUnreadStream: case 329. A peer may read all and still open no window.
func TestUnreadStream(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1000, 100_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			address, _ := stalls(t, true)
			began := time.Now()
			f := ask2(t, reach(t, address, "h2"), size, 0)
			for {
				frame, err := f.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := frame.(*http2.RSTStreamFrame); ok {
					break
				}
			}
			if took := time.Since(began); took < shortUnread || took > 2*shortUnread+time.Second {
				t.Errorf("ended after %s", took)
			}
		})
	}
}

// TestSteadyReader: who takes an answer bit by bit may have the whole time, many
// times what nobody may let pass without taking anything.
func TestSteadyReader(t *testing.T) {
	t.Parallel()
	const size = 256 << 10
	for name, read := range map[string]func(*testing.T, string) int{
		"plain": func(t *testing.T, a string) int { return slowly(t, reach(t, a, ""), size) },
		"tls":   func(t *testing.T, a string) int { return slowly(t, reach(t, a, "http/1.1"), size) },
		"h2": func(t *testing.T, a string) (n int) {
			f := ask2(t, reach(t, a, "h2"), size, 1000)
			for n < size {
				frame, err := f.ReadFrame()
				if err != nil {
					t.Fatalf("after %d bytes: %v", n, err)
				}
				if data, ok := frame.(*http2.DataFrame); ok {
					n += len(data.Data())
					_ = f.WriteWindowUpdate(1, 8<<10)
					time.Sleep(130 * time.Millisecond)
				} else if _, ok := frame.(*http2.RSTStreamFrame); ok {
					t.Fatalf("ended after %d bytes", n)
				}
			}
			return n
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, _ := stalls(t, name != "plain")
			began := time.Now()
			if n := read(t, address); n < size {
				t.Errorf("%d of %d bytes", n, size)
			}
			if took := time.Since(began); took < 5*shortUnread/2 {
				t.Fatalf("it was no slow reader: %s", took)
			}
		})
	}
}

// slowly reads 60 kB a second.
func slowly(t *testing.T, c net.Conn, size int) int {
	t.Helper()
	ask1(t, c, size)
	part := make([]byte, 8<<10)
	for n := 0; ; time.Sleep(130 * time.Millisecond) {
		got, err := io.ReadFull(c, part[:min(len(part), size-n)])
		if n += got; err != nil || n >= size {
			return n
		}
	}
}

// TestPatientDeadlines: the server's own deadline reaches a write that waits,
// and one that has passed lets nothing be written.
func TestPatientDeadlines(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c, err := patientListener{listener, time.Hour}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if n, err := c.Write(make([]byte, 16<<20)); err == nil || n == 0 || n == 16<<20 {
			t.Errorf("%d bytes were written: %v", n, err)
		}
	})
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	_ = c.SetWriteDeadline(began.Add(100 * time.Millisecond))
	waiting.Wait()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the deadline came after %s", took)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("written after the deadline")
	}
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	_ = c.SetWriteDeadline(time.Time{})
	if _, err := c.Write([]byte("x")); err != nil {
		t.Errorf("without a deadline: %v", err)
	}
}
