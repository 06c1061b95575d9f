package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/web"
)

// seedBranding is how the pages look; files are beside the configuration.
type seedBranding struct {
	Looks `yaml:",inline"`

	Templates string           `yaml:"templates"`
	Clients   map[string]Looks `yaml:"clients"`
}

// Looks are those of the server, or of one app; exported so that they can be read in
// place.
type Looks struct {
	Name       string     `yaml:"name"`
	Logo       string     `yaml:"logo"`
	Accent     string     `yaml:"accent"`
	AccentDark string     `yaml:"accent_dark"`
	CSS        string     `yaml:"css"`
	Links      []seedLink `yaml:"links"`
}

type seedLink struct {
	Text string `yaml:"text"`
	URL  string `yaml:"url"`
}

// readBranding judges looks where they are written, so that an accent nobody can
// read is named with its line.
func (s *seed) readBranding(node ast.Node) error {
	var b seedBranding
	if err := yaml.NodeToValue(node, &b, yaml.Strict()); err != nil {
		return err
	}
	folder := filepath.Dir(loaded.path)
	var err error
	if s.Brand, err = b.brand(folder); err != nil {
		return lineError{node.GetToken().Position.Line, err}
	}
	s.Brands = map[string]valetkey.Brand{}
	for _, id := range slices.Sorted(maps.Keys(b.Clients)) {
		if s.Brands[id], err = b.Clients[id].brand(folder); err != nil {
			return lineError{max(lineOf(node, id), 1), fmt.Errorf("%s: %w", id, err)}
		}
	}
	if b.Templates != "" {
		s.OwnTemplates = beside(folder, b.Templates)
		if err := web.CheckTemplates(s.OwnTemplates); err != nil {
			return lineError{lineOf(node, "templates"), fmt.Errorf("templates: %w", err)}
		}
	}
	return nil
}

func (l Looks) brand(folder string) (valetkey.Brand, error) {
	b := valetkey.Brand{Name: l.Name, Accent: l.Accent, Dark: l.AccentDark}
	for _, link := range l.Links {
		b.Links = append(b.Links, valetkey.BrandLink{Text: link.Text, URL: link.URL})
	}
	for _, file := range []struct {
		path string
		into *[]byte
	}{{l.Logo, &b.Logo}, {l.CSS, &b.CSS}} {
		if file.path == "" {
			continue
		}
		content, err := os.ReadFile(beside(folder, file.path))
		if err != nil {
			return b, err
		}
		*file.into = content
	}
	return b, web.CheckBrand(b)
}

// beside is a path as the configuration means it: from its own folder.
func beside(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
