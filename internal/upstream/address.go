package upstream

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// refusal is a reason of ours, which an error may show.
type refusal string

func (r refusal) Error() string { return string(r) }

func refused(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// errPrivate is told apart, since there is a setting for it.
const errPrivate = refusal("not a public address, and the connector has no allow_private")

// guard says where a connector may go. A connector's addresses are its
// operator's, but what they resolve to, and where a provider's metadata leads,
// is not.
type guard struct{ loopback, private bool }

// control sees each address that is about to be connected to, after DNS.
func (g guard) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return refused("not a TCP address")
	}
	if !g.allows(to.Addr().Unmap()) {
		return errPrivate
	}
	return nil
}

// allows: allow_private opens networks that people run themselves. Link-local
// addresses, where clouds answer with credentials, stay closed whatever is set.
func (g guard) allows(ip netip.Addr) bool {
	switch {
	case ip.IsLoopback():
		return g.loopback || g.private
	case ip.IsPrivate(), sharedSpace.Contains(ip):
		return g.private
	}
	return isPublic(ip)
}

// url looks at an address before anything is sent: https, or http where it
// can't leave this machine.
func (g guard) url(u *url.URL) error {
	switch {
	case u.Opaque != "" || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return refused("not a plain absolute URL")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()) && (g.loopback || g.private):
		return nil
	}
	return refused("not an https URL")
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// The special-purpose registries of IANA (RFC 6890), as far as they lie in what
// isPublic takes for public otherwise. They are those of internal/fetch.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16",
)

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052 §2.1
	sharedSpace   = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// isPublic takes an unmapped address. IPv6 is public by permission only.
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
