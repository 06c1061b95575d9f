package fetch

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

const maxAddress = 2048

// check looks at an address before anything is sent, be it a question to DNS.
func (f *Client) check(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxAddress || u.Opaque != "" || u.Hostname() == "":
		return nil, refused("not an absolute URL of at most %d bytes", maxAddress)
	case u.User != nil || strings.Contains(address, "#"):
		return nil, refused("a URL with user or fragment")
	case !canonical(u):
		return nil, refused("a host that isn't written as it should be")
	case f.c.AllowLoopback && isLoopback(u.Hostname()):
		if u.Scheme == "https" || u.Scheme == "http" {
			return u, nil
		}
	case !strings.ContainsAny(u.Hostname(), ".:"):
		return nil, refused("a host without a domain")
	}
	switch {
	case u.Scheme != "https":
		return nil, refused("not an https URL")
	case !f.webPort(u.Port()):
		return nil, refused("port %s is not the web's", u.Port())
	}
	return u, nil
}

// webPort keeps us from talking HTTP to mail and other well-known services.
func (f *Client) webPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && (n == 80 || n == 443 || n >= 1024 || n > 0 && f.c.AllowLoopback)
}

// canonical: an IP address in its one spelling, or a domain name. What ends in
// a number and isn't an address (127.1, 0x7f.1, 2130706433) is what other
// software would take for one.
func canonical(u *url.URL) bool {
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String() == host && !ip.Is4In6() && ip.Zone() == ""
	}
	if len(host) > 253 || strings.HasPrefix(u.Host, "[") {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInName) {
			return false
		}
		last = label
	}
	return strings.ContainsFunc(last, notDigit) && !strings.HasPrefix(strings.ToLower(last), "0x")
}

func notInName(r rune) bool {
	lower := r | 0x20
	return notDigit(r) && (lower < 'a' || lower > 'z') && r != '-' && r != '_'
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// control sees each address that is about to be connected to, after DNS: what
// a name meant before, or means to others, doesn't matter.
func (f *Client) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return refused("not a TCP address")
	}
	ip := to.Addr().Unmap()
	if f.c.AllowLoopback && ip.IsLoopback() || isPublic(ip) {
		return nil
	}
	return refused("not a public address")
}

// The special-purpose registries of IANA (RFC 6890), as far as they lie in
// what isPublic takes for public otherwise.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", // Teredo, ORCHID and other protocols
	"2001:db8::/32", "3fff::/20",
	"2002::/16", // 6to4, gone since RFC 7526, with any IPv4 address inside
)

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// isPublic takes an unmapped address. IPv6 is public by permission only, which
// leaves out unique local, link-local, multicast and IPv4-compatible ones.
func isPublic(ip netip.Addr) bool {
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !ip.IsValid() || ip.Zone() != "" || ip.Is6() && !globalUnicast.Contains(ip) {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
