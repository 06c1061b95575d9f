package web

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
)

// ErrNoTemplate says that a page isn't among the operator's templates.
var ErrNoTemplate = errors.New("no such template")

// CheckTemplates judges a folder of an operator's templates.
func CheckTemplates(folder string) error {
	static, err := loadStatic()
	if err != nil {
		return err
	}
	_, err = loadPages("", folder, static)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), overlayFault))
	}
	return nil
}

// CheckOwnPage judges the page of an authenticator that has one of its own, as far
// as it can be before anybody opens it.
func CheckOwnPage(folder string, a login.Authenticator) error {
	static, err := loadStatic()
	if err != nil {
		return err
	}
	p, err := loadPages("", folder, static)
	if err != nil {
		return err
	}
	return p.checkOwn(a)
}

// checkOwn shows the page to nobody: what it names must be there, with an app that
// waits and without.
func (p *pages) checkOwn(a login.Authenticator) error {
	parsed, err := p.in(locale.Get("en"))
	if err != nil {
		return err
	}
	t := parsed.Lookup(a.Template + ".html")
	if t == nil {
		return fmt.Errorf("template %s.html: %w", a.Template, ErrNoTemplate)
	}
	for _, app := range []*appView{nil, {}} {
		v := ownView{App: app, Name: a.Name, Title: a.Title, Problem: "?"}
		if err := t.Execute(io.Discard, &page{Title: a.Title, D: v}); err != nil {
			return err
		}
	}
	return nil
}
