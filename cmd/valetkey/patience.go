package main

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// How long a peer may take nothing at all of its answer, and how much of one
// the kernel holds for it: what it holds looks taken from here.
const (
	unread     = 10 * time.Second
	sendBuffer = 64 << 10
)

// patientListener leaves those who take nothing of their answers. How long an
// answer may take in all is net/http's to say.
type patientListener struct {
	net.Listener
	patience time.Duration
}

func (l patientListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
	return &patientConn{Conn: c, patience: l.patience}, nil
}

// patientConn looks from time to time whether a write that waits gets on, and
// ends the connection where it doesn't. Without waiting this costs less than the
// deadlines that net/http sets for each request, which are kept here and don't
// reach the connection unless they matter.
type patientConn struct {
	net.Conn
	patience time.Duration

	mu      sync.Mutex
	asked   time.Time // the server's own deadline; zero: none
	armed   time.Time // the deadline of the connection
	writing int
}

func (c *patientConn) Write(p []byte) (n int, err error) {
	moved := c.begin()
	defer c.end()
	for {
		wrote, err := c.Conn.Write(p[n:])
		n += wrote
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		now := clock()
		if wrote > 0 {
			moved = now
		}
		switch {
		case c.over(now):
			return n, err
		case now.Sub(moved) >= c.patience:
			c.leave()
			return n, err
		}
	}
}

// clock is the machine's: what peers are given is real time, whatever the
// server's clock says in a test.
func clock() time.Time { return time.Now() } //nolint:forbidigo // see above

func (c *patientConn) begin() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing++
	now := clock()
	c.arm(now)
	return now
}

func (c *patientConn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing--
}

// over says whether the server's deadline has passed; else the next look is due.
func (c *patientConn) over(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked.IsZero() && !now.Before(c.asked) {
		return true
	}
	c.arm(now)
	return false
}

// arm sets the time of the next look, a twentieth or two of the patience away,
// or the server's deadline where that is sooner. One that is good still is left.
func (c *patientConn) arm(now time.Time) {
	look := c.patience / 20
	soonest := now.Add(look)
	until := soonest.Add(look)
	switch {
	case !c.asked.IsZero() && c.asked.Before(until):
		until = c.asked
	case !c.armed.Before(soonest) && !c.armed.After(until):
		return
	}
	if !until.Equal(c.armed) && c.Conn.SetWriteDeadline(until) == nil {
		c.armed = until
	}
}

// leave ends the connection at once: what the peer doesn't take isn't kept for
// it by the kernel either.
func (c *patientConn) leave() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// SetWriteDeadline reaches a write that waits.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = t
	if c.writing > 0 {
		c.arm(clock())
	}
	return nil
}

func (c *patientConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite is what net/http looks for to end a connection gently.
func (c *patientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// What HTTP/2 holds back of an answer before the stream's window counts, and
// how much a peer has to take in its time when an answer is long.
const (
	streamBuffer = 4 << 10
	streamPiece  = 16 << 10
)

// patientStreams does the same for the streams of HTTP/2, whose windows are the
// peer's to open: RFC 9113 §5.2. The connection may be in best order meanwhile.
func patientStreams(next http.Handler, patience, whole time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			next.ServeHTTP(w, r)
			return
		}
		if r.Context().Err() != nil {
			return // it was reset before its turn came, perhaps one of thousands: CVE-2023-39325
		}
		s := &patientStream{ResponseWriter: w, control: http.NewResponseController(w), patience: patience, until: clock().Add(whole)}
		next.ServeHTTP(s, r)
		if s.sent > 0 {
			s.arm() // the rest is sent when we have returned
		}
	})
}

type patientStream struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	until    time.Time // the whole answer's; zero: it may take its time
	sent     int
}

func (s *patientStream) Write(p []byte) (n int, err error) {
	if s.sent += len(p); s.sent <= streamBuffer {
		return s.ResponseWriter.Write(p)
	}
	for n < len(p) && err == nil {
		var wrote int
		s.arm()
		wrote, err = s.ResponseWriter.Write(p[n:min(n+streamPiece, len(p))])
		n += wrote
	}
	s.set(s.until)
	return n, err
}

func (s *patientStream) arm() {
	soon := clock().Add(s.patience)
	if s.until.IsZero() || soon.Before(s.until) {
		s.set(soon)
	}
}

func (s *patientStream) set(t time.Time) {
	if t.IsZero() || clock().Before(t) { // else it has ended already
		_ = s.control.SetWriteDeadline(t)
	}
}

// SetWriteDeadline gives the whole answer another time.
func (s *patientStream) SetWriteDeadline(t time.Time) error {
	s.until = t
	return s.control.SetWriteDeadline(t)
}

// Unwrap lets http.ResponseController reach the stream.
func (s *patientStream) Unwrap() http.ResponseWriter { return s.ResponseWriter }
