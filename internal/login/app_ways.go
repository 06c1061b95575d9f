package login

import (
	"errors"
	"fmt"
	"slices"
)

// Provider is a connector as the ways to sign in see it.
type Provider struct {
	Name string
	Two  bool // it is believed when it tells of two factors
}

// AppWays is what an operator says of how people sign in to an app.
type AppWays struct {
	Names   []string // of authenticators and connectors; none: all
	Factors int      // 2: nobody comes to it by less
}

// CheckAppWays judges that before the first person stands before a closed door.
// The key is the one of the app's metadata that is wrong.
func CheckAppWays(app AppWays, chain []Authenticator, others []Provider) (key string, err error) {
	for _, name := range app.Names {
		if !named(name, chain, others) {
			return "authenticators", fmt.Errorf("authenticators: %q isn't known: it is no connector, and none of password, passkey, email, connectors, totp and recovery", name)
		}
	}
	if app.Factors >= 2 && !app.reachesTwo(chain, others) {
		return "required_factors", errors.New("required_factors: nobody can reach two factors by the authenticators of this app; passkey or totp must be among them, and switched on")
	}
	return "", nil
}

// named says whether there is such a way in, switched on or off.
func named(name string, chain []Authenticator, others []Provider) bool {
	return BuiltIn(name) ||
		slices.ContainsFunc(chain, func(a Authenticator) bool { return a.Name == name }) ||
		slices.ContainsFunc(others, func(p Provider) bool { return p.Name == name })
}

func (app AppWays) lists(name string) bool {
	return len(app.Names) == 0 || slices.Contains(app.Names, name)
}

// reachesTwo: a passkey is two factors in one; recovery codes are none, they stand
// in for one.
func (app AppWays) reachesTwo(chain []Authenticator, others []Provider) bool {
	return slices.ContainsFunc(chain, func(a Authenticator) bool {
		switch a.Name {
		case WayPasskey, WayTOTP:
			return app.lists(a.Name)
		case WayConnector:
			return slices.ContainsFunc(others, func(p Provider) bool {
				return p.Two && (app.lists(WayConnector) || app.lists(p.Name))
			})
		}
		return false
	})
}
