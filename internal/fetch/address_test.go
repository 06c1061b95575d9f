package fetch

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// Case 166: the addresses that are never connected to.
func TestCase166Addresses(t *testing.T) {
	tests := map[bool][]string{
		false: {
			"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "0.0.0.0", "0.1.2.3", "::",
			"169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
			"192.168.0.1", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.19.255.255",
			"198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
			"::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:10.0.0.1", "fc00::1", "fd00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
			"2001:db8::1", "3fff::1", "2001::1", "2001:10::1", "2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1",
			"64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "100::1", "5f00::1", "4000::1", "",
		},
		true: {
			"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "198.17.255.255",
			"198.20.0.1", "223.255.255.255", "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1", "64:ff9b::808:808",
		},
	}
	closed, open := New(Config{}), New(Config{AllowLoopback: true})
	for want, list := range tests {
		for _, s := range list {
			address := netip.AddrPortFrom(netip.Addr{}, 443).String()
			loopback := false
			if ip, err := netip.ParseAddr(s); err == nil {
				address = netip.AddrPortFrom(ip, 443).String()
				loopback = ip.Unmap().IsLoopback()
			}
			if got := closed.control("tcp4", address, nil) == nil; got != want {
				t.Errorf("%s: %v", s, got)
			}
			if got := open.control("tcp6", address, nil) == nil; got != (want || loopback) {
				t.Errorf("%s with loopback: %v", s, got)
			}
		}
	}
	for _, network := range []string{"udp4", "unix", "ip4", "tcp"} {
		if closed.control(network, "8.8.8.8:443", nil) == nil {
			t.Errorf("network %s", network)
		}
	}
}

// Cases 158, 166 and 181: what is refused before anything is sent.
func TestCase166URLs(t *testing.T) {
	const ok, loopback, no = "ok", "loopback only", "no"
	tests := map[string]string{
		"https://example.com":                           ok,
		"https://example.com/jwks?x=y":                  ok,
		"https://EXAMPLE.com:443/":                      ok,
		"https://example.com:80/":                       ok,
		"https://example.com:8443/":                     ok,
		"https://xn--bcher-kva.example/":                ok,
		"https://1.example.com/":                        ok,
		"https://8.8.8.8/":                              ok,
		"https://[2606:4700::1111]/":                    ok,
		"https://127.0.0.1/":                            ok, // the dialler refuses it
		"https://169.254.169.254/":                      ok,
		"https://example.com:25/":                       loopback,
		"https://example.com:1023/":                     loopback,
		"https://localhost/":                            loopback,
		"https://localhost:9/":                          loopback,
		"http://localhost/":                             loopback,
		"http://LOCALHOST:8080/":                        loopback,
		"http://127.0.0.1:8080/":                        loopback,
		"http://127.9.9.9/":                             loopback,
		"http://[::1]:8080/":                            loopback,
		"ftp://localhost/":                              no,
		"http://example.com/":                           no,
		"http://10.0.0.1/":                              no,
		"http://localhost.example.com/":                 no,
		"https://intranet/":                             no,
		"https://intranet:8443/":                        no,
		"file:///etc/passwd":                            no,
		"gopher://example.com/":                         no,
		"javascript:alert(1)":                           no,
		"data:text/plain,x":                             no,
		"//example.com/":                                no,
		"/jwks":                                         no,
		"":                                              no,
		"https://":                                      no,
		"https:///jwks":                                 no,
		"https:example.com":                             no,
		"https://u@example.com/":                        no,
		"https://u:p@example.com/":                      no,
		"https://@example.com/":                         no,
		"https://example.com/#a":                        no,
		"https://example.com/#":                         no,
		"https://example.com:0/":                        no,
		"https://example.com:65536/":                    no,
		"https://example.com:x/":                        no,
		"https://127.1/":                                no,
		"https://127.0.1/":                              no,
		"https://2130706433/":                           no,
		"https://0x7f000001/":                           no,
		"https://0x7f.0.0.1/":                           no,
		"https://0x7f.0x1/":                             no,
		"https://017700000001/":                         no,
		"https://0177.0.0.1/":                           no,
		"https://127.0.0.01/":                           no,
		"https://127.0.0.1./":                           no,
		"https://example.com./":                         no,
		"https://example..com/":                         no,
		"https://.example.com/":                         no,
		"https://1.2.3.4.5/":                            no,
		"https://256.1.1.1/":                            no,
		"https://[::ffff:7f00:1]/":                      no,
		"https://[::ffff:127.0.0.1]/":                   no,
		"https://[0:0:0:0:0:0:0:1]/":                    no,
		"https://[::1%25lo]/":                           no,
		"https://[FE80::1]/":                            no,
		"https://[example.com]/":                        no,
		"https://b\u00fccher.example/":                  no,
		"https://\u2460\u2461\u2466.0.0.1/":             no,
		"https://exa mple.com/":                         no,
		"https://example.com\\@evil.example/":           no,
		"https://" + strings.Repeat("a", 64) + ".com/":  no,
		"https://" + strings.Repeat("a.", 127) + "com/": no,
		"https://example.com/" + strings.Repeat("a", maxAddress): no,
	}
	closed, open := New(Config{}), New(Config{AllowLoopback: true})
	for address, want := range tests {
		_, err1 := closed.check(address)
		_, err2 := open.check(address)
		got := no
		switch {
		case err1 == nil && err2 == nil:
			got = ok
		case err2 == nil:
			got = loopback
		}
		if got != want {
			t.Errorf("%.80s: %s, want %s (%v, %v)", address, got, want, err1, err2)
		}
		if err1 != nil {
			if _, err := closed.Get(t.Context(), address, 1); !errors.Is(err, ErrFailed) {
				t.Errorf("%.80s: Get: %v", address, err)
			}
			if err := closed.Post(t.Context(), address, nil); !errors.Is(err, ErrFailed) {
				t.Errorf("%.80s: Post: %v", address, err)
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"https://example.com/a?b", "https://[::1]:443/", "https://0x7f.1/", "http://localhost", "https://a@b/", "https://127.0.0.1:99999"} {
		f.Add(seed)
	}
	c := New(Config{})
	f.Fuzz(func(t *testing.T, address string) {
		u, err := c.check(address)
		if err == nil && (u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Hostname() == "" || !canonical(u)) {
			t.Errorf("%q is let through", address)
		}
	})
}
