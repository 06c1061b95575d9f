package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/upstream"
)

// seedAuthenticator is an entry of the chain of ways to sign in. What is named
// changes a link of the chain or adds one; what isn't stays as it is.
type seedAuthenticator struct {
	Name     string `yaml:"name"`
	Enabled  *bool  `yaml:"enabled"`
	Factor   int    `yaml:"factor"`
	Order    *int   `yaml:"order"`
	Template string `yaml:"template"`
	Title    string `yaml:"title"`
}

type seedGroup struct {
	Factors int  `yaml:"factors"`
	Admin   bool `yaml:"admin"`
}

// readAuthenticators lays the entries over the chain that a server has by itself.
func (s *seed) readAuthenticators(node ast.Node) error {
	var entries []seedAuthenticator
	if err := yaml.NodeToValue(node, &entries, yaml.Strict()); err != nil {
		return err
	}
	chain := valetkey.DefaultAuthenticators()
	for i, e := range entries {
		line := lineOfEntry(node, i, "name")
		var err error
		if chain, err = e.lay(chain); err != nil {
			return lineError{line, err}
		}
		s.chainLines = withLine(s.chainLines, e.Name, line)
		if e.Template != "" {
			s.chainLines = withLine(s.chainLines, e.Name+" template", lineOfEntry(node, i, "template"))
		}
	}
	if err := login.CheckChain(chain); err != nil {
		return lineError{node.GetToken().Position.Line, err}
	}
	s.Chain = chain
	return nil
}

// lineOfEntry finds a key in one entry of a list, else the entry.
func lineOfEntry(list ast.Node, i int, key string) int {
	all, ok := list.(*ast.SequenceNode)
	if !ok || i >= len(all.Values) {
		return list.GetToken().Position.Line
	}
	if line := lineOf(all.Values[i], key); line > 0 {
		return line
	}
	return all.Values[i].GetToken().Position.Line
}

func withLine(lines map[string]int, key string, line int) map[string]int {
	if lines == nil {
		lines = map[string]int{}
	}
	lines[key] = line
	return lines
}

func (e seedAuthenticator) lay(chain []valetkey.Authenticator) ([]valetkey.Authenticator, error) {
	if e.Name == "" {
		return nil, errors.New("name is missing: password, passkey, email, connectors, totp or recovery")
	}
	matches := func(a valetkey.Authenticator) bool {
		return a.Name == e.Name && (e.Factor == 0 || a.Factor == e.Factor)
	}
	if e.Enabled != nil && !*e.Enabled {
		return slices.DeleteFunc(chain, matches), nil
	}
	at := slices.IndexFunc(chain, matches)
	if at < 0 {
		factor := e.Factor
		if factor == 0 {
			factor = 1
			if e.Name == login.WayTOTP || e.Name == login.WayRecovery {
				factor = 2
			}
		}
		chain = append(chain, valetkey.Authenticator{Name: e.Name, Factor: factor, Order: 40})
		at = len(chain) - 1
	}
	a := &chain[at]
	if e.Order != nil {
		a.Order = *e.Order
	}
	a.Template, a.Title = strings.TrimSuffix(e.Template, ".html"), e.Title
	if a.Template != "" && a.Title == "" {
		return nil, fmt.Errorf("title is missing: the words of the button that leads to the page %q", e.Template)
	}
	return chain, nil
}

// readConnectors reads other providers, in the order in which they stand.
func (s *seed) readConnectors(node ast.Node) error {
	entries, ok := node.(ast.MapNode)
	if !ok {
		return lineError{node.GetToken().Position.Line, errors.New("connectors takes names, each with kind and more of its own")}
	}
	for iter := entries.MapRange(); iter.Next(); {
		name := iter.Key().GetToken().Value
		line := iter.Key().GetToken().Position.Line
		var c valetkey.Connector
		if err := yaml.NodeToValue(iter.Value(), &c, yaml.Strict()); err != nil {
			return err
		}
		c.Name = name
		besideFile(&c.SecretFile, &c.CAFile, &c.BindPasswordFile)
		if c.Order == 0 {
			c.Order = len(s.Connectors) + 1
		}
		if err := c.Check(); err != nil {
			var field *upstream.FieldError
			if errors.As(err, &field) {
				if at := lineOf(iter.Value(), field.Field); at > 0 {
					line = at
				}
				err = fmt.Errorf("%s: %s %s", name, field.Field, field.Why)
			}
			return lineError{line, err}
		}
		s.Connectors = append(s.Connectors, c)
	}
	return nil
}

// besideFile makes paths of the file those that it means: from its own folder.
func besideFile(paths ...*string) {
	for _, path := range paths {
		if *path != "" {
			*path = beside(filepath.Dir(loaded.path), *path)
		}
	}
}

// readGroups reads what goes with membership.
func (s *seed) readGroups(node ast.Node) error {
	if err := yaml.NodeToValue(node, &s.Groups, yaml.Strict()); err != nil {
		return err
	}
	for name, g := range s.Groups {
		if g.Factors < 0 || g.Factors > 2 {
			return lineError{max(lineOf(node, name), 1), fmt.Errorf("%s: factors is 1 or 2", name)}
		}
	}
	return nil
}

func (s *seed) groups() map[string]valetkey.GroupPolicy {
	out := map[string]valetkey.GroupPolicy{}
	for name, g := range s.Groups {
		out[name] = valetkey.GroupPolicy{Factors: g.Factors, Admin: g.Admin}
	}
	return out
}
