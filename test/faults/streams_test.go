//go:build linux

package faults

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// streams is one connection that speaks HTTP/2 as no client would.
type streams struct {
	*http2.Framer

	conn  net.Conn
	out   *bufio.Writer
	host  string
	block bytes.Buffer
	enc   *hpack.Encoder
	next  uint32
}

// openStreams connects, with windows that are open wide.
func openStreams(t *testing.T, address string, config *tls.Config, settings ...http2.Setting) *streams {
	t.Helper()
	s, err := newStreams(address, config, settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

func newStreams(address string, config *tls.Config, settings ...http2.Setting) (*streams, error) {
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	c, err := dialSmall(address, config)
	if err != nil {
		return nil, err
	}
	s := &streams{conn: c, out: bufio.NewWriterSize(c, 16<<10), host: address, next: 1}
	s.Framer = http2.NewFramer(s.out, bufio.NewReader(c))
	s.SetMaxReadFrameSize(16 << 10)
	s.enc = hpack.NewEncoder(&s.block)
	if _, err := io.WriteString(s.out, http2.ClientPreface); err != nil {
		return nil, err
	}
	if len(settings) == 0 {
		settings = []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1 << 30}}
	}
	for _, err := range []error{s.WriteSettings(settings...), s.WriteSettingsAck(), s.WriteWindowUpdate(0, 1<<30), s.out.Flush()} {
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fields are those of a request.
func (s *streams) fields(method, path string) []byte {
	s.block.Reset()
	for _, f := range [][2]string{
		{":method", method}, {":scheme", "https"}, {":authority", s.host}, {":path", path}, {"content-type", "application/x-www-form-urlencoded"},
	} {
		_ = s.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	return s.block.Bytes()
}

// begin sends a request's fields, and says its stream.
func (s *streams) begin(method, path string, whole bool) (uint32, error) {
	id := s.next
	s.next += 2
	err := s.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: s.fields(method, path), EndHeaders: true, EndStream: whole})
	return id, err
}

// wait reads until a frame is the one looked for.
func (s *streams) wait(within time.Duration, is func(http2.Frame) bool) (time.Duration, error) {
	began := time.Now()
	_ = s.conn.SetReadDeadline(began.Add(within))
	for {
		frame, err := s.ReadFrame()
		if err != nil {
			return time.Since(began), err
		}
		if is(frame) {
			return time.Since(began), nil
		}
	}
}

// pour has some connections of which each does one thing without end, 5,000
// times a second, and begins anew where it is thrown out.
func pour(address string, config *tls.Config, act func(*streams) error) (stop func() (acts, connections int64)) {
	var acts, connections atomic.Int64
	var running sync.WaitGroup
	ended := make(chan struct{})
	over := func() bool {
		select {
		case <-ended:
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	}
	for range 4 {
		running.Go(func() {
			for !over() {
				s, err := newStreams(address, config)
				if err != nil {
					continue
				}
				connections.Add(1)
				go func() { _, _ = io.Copy(io.Discard, s.conn) }()
				for err == nil && !over() {
					for range 25 {
						err = errors.Join(err, act(s))
						acts.Add(1)
					}
					err = errors.Join(err, s.out.Flush())
				}
				_ = s.conn.Close()
			}
		})
	}
	return func() (int64, int64) {
		close(ended)
		running.Wait()
		return acts.Load(), connections.Load()
	}
}

// TestStreamFloods: case 292. What is cheap to send over HTTP/2 costs less than
// a core and no memory, and others don't wait for it.
func TestStreamFloods(t *testing.T) {
	p := harness.NewProcess(t, harness.Binary(t))
	target, config := secured(t, p)
	pid := p.Cmd.Process.Pid
	quiet := p99(t, target, 30)
	base, err := loadgen.Memory(pid)
	if err != nil {
		t.Fatal(err)
	}
	part := bytes.Repeat([]byte{0x82}, 1<<10) // :method GET, again and again
	for _, f := range []struct {
		what string
		act  func(*streams) error
	}{
		{"rapid reset", func(s *streams) error { // CVE-2023-39325
			id, err := s.begin("GET", "/authorize?client_id=job", true)
			return errors.Join(err, s.WriteRSTStream(id, http2.ErrCodeCancel))
		}},
		{"rapid reset of what has a body", func(s *streams) error {
			id, err := s.begin("POST", "/token", false)
			return errors.Join(err, s.WriteRSTStream(id, http2.ErrCodeCancel))
		}},
		{"continuations", func(s *streams) error { // CVE-2023-45288
			if s.next == 1 {
				s.next += 2
				return s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: part})
			}
			return s.WriteContinuation(1, false, part)
		}},
		{"pings", func(s *streams) error { return s.WritePing(false, [8]byte{}) }},
		{"settings", func(s *streams) error {
			return s.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
		}},
		{"windows that never open", func(s *streams) error { // and what the server takes back of them
			_, err := s.begin("GET", "/jwks", true)
			return errors.Join(err, s.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
		}},
	} {
		stop := pour(p.Address, config, f.act)
		used, began := processor(t, pid), time.Now()
		wait := p99(t, target, 30)
		time.Sleep(time.Until(began.Add(either(time.Second, 30*time.Second))))
		cores := (processor(t, pid) - used).Seconds() / time.Since(began).Seconds()
		acts, connections := stop()
		full, err := loadgen.Memory(pid)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d on %d connections, %.2f cores, %.0f MiB more, a token within %s, and %s before", f.what, acts, connections, cores, full-base, wait, quiet)
		if cores > 1 || full-base > 64 || wait > max(2*quiet, either(250*time.Millisecond, 100*time.Millisecond)) {
			t.Errorf("%s costs too much", f.what)
		}
	}
}

// TestStreamLimits: case 292 and 3.6. A connection has a hundred streams and
// frames of 16 KB; what is beyond is refused.
func TestStreamLimits(t *testing.T) {
	t.Parallel()
	p := harness.NewProcess(t, harness.Binary(t))
	_, config := secured(t, p)
	s := openStreams(t, p.Address, config, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	for range 150 {
		if _, err := s.begin("GET", "/jwks", true); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.out.Flush()
	refused, ended := 0, map[uint32]bool{}
	began := time.Now()
	took, err := s.wait(15*time.Second, func(f http2.Frame) bool {
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if n, _ := f.Value(http2.SettingMaxConcurrentStreams); !f.IsAck() && n != 100 {
				t.Errorf("%d streams are allowed", n)
			}
			if n, _ := f.Value(http2.SettingMaxFrameSize); !f.IsAck() && n != 16<<10 {
				t.Errorf("frames of %d bytes are allowed", n)
			}
		case *http2.RSTStreamFrame:
			if ended[f.StreamID] = true; time.Since(began) < 5*time.Second {
				refused++
			}
		}
		return len(ended) == 150
	})
	if refused != 50 || err != nil || took < 9*time.Second {
		t.Errorf("%d of 150 streams refused, %d ended after %s: %v", refused, len(ended), took, err)
	}
	// Announced and never sent.
	big := openStreams(t, p.Address, config)
	_, _ = big.out.Write([]byte{0x0f, 0xff, 0xff, byte(http2.FrameHeaders), 0, 0, 0, 0, 1})
	_ = big.out.Flush()
	if took, err := big.wait(10*time.Second, func(f http2.Frame) bool { return f.Header().Type == http2.FrameGoAway }); err != nil {
		t.Errorf("a frame of a megabyte: %v after %s", err, took)
	}
}

// TestSlowStreams: case 329 over HTTP/2.
func TestSlowStreams(t *testing.T) {
	t.Parallel()
	p := harness.NewProcess(t, harness.Binary(t))
	_, config := secured(t, p)
	var running sync.WaitGroup
	slow := func(what string, within time.Duration, begin, drip func(*streams) error, ends func(http2.Frame) bool) {
		for range either(5, 50) {
			s := openStreams(t, p.Address, config)
			if err := errors.Join(begin(s), s.out.Flush()); err != nil {
				t.Fatal(err)
			}
			running.Go(func() {
				took, err := s.wait(within+10*time.Second, ends)
				_ = s.conn.Close()
				if took < within-time.Second || took > within+3*time.Second {
					t.Errorf("%s: ended after %s, %v", what, took, err)
				}
			})
			running.Go(func() {
				for err := error(nil); err == nil; time.Sleep(200 * time.Millisecond) {
					err = errors.Join(drip(s), s.out.Flush())
				}
			})
		}
	}
	slow("body", 10*time.Second, func(s *streams) error {
		_, err := s.begin("POST", "/token", false)
		return err
	}, func(s *streams) error { return s.WriteData(1, false, []byte("x")) }, func(f http2.Frame) bool {
		kind := f.Header().Type
		return kind == http2.FrameHeaders || kind == http2.FrameRSTStream
	})
	silent := config.Clone()
	silent.NextProtos = []string{"h2"}
	for range either(5, 50) {
		c, err := dialSmall(p.Address, silent)
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			if took, err := cut(c, "", ""); err != nil || took < 9*time.Second || took > 13*time.Second {
				t.Errorf("no first frame: ended after %s, %v", took, err)
			}
		})
	}
	if long() { // as idle as any other connection
		never := func(http2.Frame) bool { return false }
		slow("fields", time.Minute, func(s *streams) error {
			return s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.fields("GET", "/jwks")})
		}, func(s *streams) error { return s.WriteContinuation(1, false, nil) }, never)
	}
	running.Wait()
}

// TestNoClearStreams: case 292. HTTP/2 is spoken over TLS alone.
func TestNoClearStreams(t *testing.T) {
	t.Parallel()
	p := harness.NewProcess(t, harness.Binary(t))
	p.Start(t)
	for what, asks := range map[string]string{
		"upgrade":         "GET /jwks HTTP/1.1\r\nHost: " + p.Address + "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
		"prior knowledge": http2.ClientPreface,
	} {
		c, err := net.Dial("tcp", p.Address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, asks)
		line, _ := bufio.NewReader(c).ReadString('\n')
		if strings.Contains(line, " 101 ") || line != "" && !strings.HasPrefix(line, "HTTP/1.1 ") {
			t.Errorf("%s: %q", what, line)
		}
		_ = c.Close()
	}
}

// processor is the time that a process has had of all cores: proc(5), stat.
func processor(t *testing.T, pid int) time.Duration {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}
