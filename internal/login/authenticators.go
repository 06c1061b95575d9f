package login

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// The authenticators that are built in. A connector and an embedder's own have
// names of their own.
const (
	WayPassword  = "password"
	WayPasskey   = "passkey" // first factor and second
	WayEmail     = "email"
	WayTOTP      = "totp"
	WayRecovery  = "recovery"
	WayConnector = "connectors" // in the chain: all connectors, in their own order
)

// Authenticator is one link of the chain: a way to prove oneself, and how the
// pages offer it.
type Authenticator struct {
	Name     string
	Factor   int    // 1 or 2
	Order    int    // lower stands first
	Template string // of a page of its own; "": on the sign-in page
	Title    string // of the button that leads to its page

	// Verify is an embedder's own way: it reads the page's form and answers whose
	// it is, as RFC 8176 calls it. ErrWrong when it is nobody's.
	Verify func(ctx context.Context, form url.Values) (subject string, amr []string, err error)
}

// DefaultChain is what a server offers that is told nothing else. The second
// factors are offered to whoever has them.
func DefaultChain() []Authenticator {
	return []Authenticator{
		{Name: WayPassword, Factor: 1, Order: 10},
		{Name: WayPasskey, Factor: 1, Order: 20},
		{Name: WayConnector, Factor: 1, Order: 30},
		{Name: WayTOTP, Factor: 2, Order: 10}, // it needs no script
		{Name: WayPasskey, Factor: 2, Order: 20},
		{Name: WayRecovery, Factor: 2, Order: 30},
	}
}

// BuiltIn says whether an authenticator of this name is part of the program.
func BuiltIn(name string) bool {
	return slices.Contains([]string{WayPassword, WayPasskey, WayEmail, WayTOTP, WayRecovery, WayConnector}, name)
}

// CheckChain judges a configured chain.
func CheckChain(chain []Authenticator) error {
	if !slices.ContainsFunc(chain, func(a Authenticator) bool { return a.Factor == 1 }) {
		return errors.New("no authenticator is a first factor: nobody could sign in")
	}
	own := map[string][]int{WayPassword: {1}, WayEmail: {1}, WayConnector: {1}, WayPasskey: {1, 2}, WayTOTP: {2}, WayRecovery: {2}}
	for i, a := range chain {
		factors, builtin := own[a.Name]
		switch {
		case a.Name == "":
			return fmt.Errorf("authenticator %d has no name", i+1)
		case builtin && !slices.Contains(factors, a.Factor):
			return fmt.Errorf("authenticator %q can't be factor %d", a.Name, a.Factor)
		case !builtin && a.Verify == nil:
			return fmt.Errorf("authenticator %q isn't known; those built in are password, passkey, email, connectors, totp and recovery", a.Name)
		case a.Verify != nil && (a.Factor != 1 || builtin):
			return fmt.Errorf("authenticator %q: one of your own is factor 1, under a name of its own", a.Name)
		case a.Verify != nil && a.Template == "":
			return fmt.Errorf("authenticator %q has no template: the page that asks for it", a.Name)
		case a.Template != "" && builtin && a.Name != WayPassword:
			return fmt.Errorf("authenticator %q can't have a page of its own; password can", a.Name)
		case a.Factor != 1 && a.Factor != 2:
			return fmt.Errorf("authenticator %q: factor is 1 or 2", a.Name)
		case slices.ContainsFunc(chain[:i], func(b Authenticator) bool { return b.Name == a.Name && b.Factor == a.Factor }):
			return fmt.Errorf("authenticator %q stands twice as factor %d", a.Name, a.Factor)
		}
	}
	return nil
}

// Offered lists the authenticators of a factor in their order, as far as an app
// lets them be used.
func (s *Service) Offered(factor int, ways []string) []Authenticator {
	var out []Authenticator
	for _, a := range s.Chain {
		if a.Factor == factor && (ways == nil || slices.Contains(ways, a.Name) || a.Name == WayConnector) {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b Authenticator) int { return a.Order - b.Order })
	return out
}

// Ordered are the second factors that a person has, the first to be asked for at
// the head.
func (s *Service) Ordered(has Has) []string {
	var out []string
	for _, a := range s.Offered(2, nil) { // an app's list waives nobody's factor, so it orders none
		if has.kind(a.Name) {
			out = append(out, a.Name)
		}
	}
	return out
}

// Offers says whether a way may be used as a factor.
func (s *Service) Offers(name string, factor int, ways []string) bool {
	return slices.ContainsFunc(s.Offered(factor, ways), func(a Authenticator) bool { return a.Name == name })
}
