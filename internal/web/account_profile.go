package web

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

type profileView struct {
	Form      string
	Elsewhere bool
	Problems  int
	Groups    []profileGroup
	Picture   pictureView
}

type profileGroup struct {
	ID, Title string
	Lines     []profileLine
}

// profileLine is one field of the form: OpenID Connect Core §5.1.
type profileLine struct {
	ID, Label, Hint string
	Auto            string // HTML §4.10.18.7.1, how browsers fill it in
	Kind            string // url, tel, lines, language or "" for a line
	Max             int

	Value, Problem string
	Focus          bool     // the cursor goes there: it is the first that is wrong
	Options        []option // of a list
}

type option struct {
	Value, Text string
	Chosen      bool
}

// profileLines is the form in the language of the page.
func profileLines(l *locale.Locale) []profileGroup {
	return []profileGroup{
		{ID: "you", Title: l.T("About you"), Lines: []profileLine{
			{ID: "name", Label: l.T("Name"), Auto: "name", Hint: l.T("As apps show it.")},
			{ID: "given_name", Label: l.T("Given name"), Auto: "given-name"},
			{ID: "middle_name", Label: l.T("Middle name"), Auto: "additional-name"},
			{ID: "family_name", Label: l.T("Family name"), Auto: "family-name"},
			{ID: "nickname", Label: l.T("Nickname"), Auto: "nickname"},
			{ID: "gender", Label: l.T("Gender"), Auto: "sex"},
			{ID: "birthdate", Label: l.T("Date of birth"), Auto: "bday", Hint: l.T("As 1990-12-31, or the year alone.")},
		}},
		{ID: "web", Title: l.T("On the web"), Lines: []profileLine{
			{ID: "profile", Label: l.T("Profile page"), Kind: "url"},
			{ID: "website", Label: l.T("Website"), Kind: "url", Auto: "url"},
		}},
		{ID: "ways", Title: l.T("Language, time and phone"), Lines: []profileLine{
			{ID: "locale", Label: l.T("Language"), Kind: "language", Auto: "language", Hint: l.T("Letters come in it, and apps learn it. The language of these pages is chosen below them.")},
			{ID: "zoneinfo", Label: l.T("Time zone"), Hint: l.T("A continent and a city, such as Europe/Berlin.")},
			{ID: "phone_number", Label: l.T("Phone number"), Kind: "tel", Auto: "tel", Hint: l.T("With the code of the country, such as +49.")},
		}},
		{ID: "post", Title: l.T("Postal address"), Lines: []profileLine{
			{ID: "street_address", Label: l.T("Street and number"), Kind: "lines", Auto: "street-address"},
			{ID: "postal_code", Label: l.T("Postal code"), Auto: "postal-code"},
			{ID: "locality", Label: l.T("City"), Auto: "address-level2"},
			{ID: "region", Label: l.T("State or region"), Auto: "address-level1"},
			{ID: "country", Label: l.T("Country"), Auto: "country-name"},
		}},
	}
}

// profileFacts are the lines that somebody has filled in, and no others.
func profileFacts(l *locale.Locale, claims oauth.Claims) []fact {
	name, _ := claims["name"].(string)
	said := login.User{Name: name, Claims: claims}.Profile()
	var out []fact
	for _, g := range profileLines(l) {
		for _, line := range g.Lines {
			value := said[line.ID]
			if line.ID == "locale" {
				value = languageName(value)
			}
			value = strings.ReplaceAll(value, "\n", ", ")
			if value != "" {
				out = append(out, fact{line.Label, value})
			}
		}
	}
	return out
}

// languageName is what a language calls itself, or its tag.
func languageName(tag string) string {
	for _, l := range locale.All() {
		if l.Tag == tag {
			return l.Name
		}
	}
	return tag
}

func (w *Web) showProfile(v *visit) {
	w.renderProfile(v, http.StatusOK, v.user.Profile(), nil, pictureView{})
}

func (w *Web) renderProfile(v *visit, status int, said login.Profile, problems map[string]string, picture pictureView) {
	view := profileView{Form: w.token(v, "profile"), Elsewhere: w.Login.Elsewhere(v.user), Problems: len(problems), Groups: profileLines(v.l)}
	first := true
	for _, g := range view.Groups {
		for i := range g.Lines {
			line := &g.Lines[i]
			line.Value, line.Problem, line.Max = said[line.ID], problems[line.ID], 100
			if line.Problem != "" {
				line.Focus, first = first, false
			}
			if line.Kind == "url" || line.Kind == "lines" {
				line.Max = 500
			}
			if line.Kind == "language" {
				line.Options = languageOptions(v.l, line.Value)
			}
		}
	}
	view.Picture = w.viewPicture(v, picture)
	w.show(v, as{status: status}, "account_profile", page{Title: v.l.T("Your profile"), Section: "account", Done: w.takeDone(v), D: view})
}

// languageOptions are the languages that are spoken here, and the one that
// somebody else may have set.
func languageOptions(l *locale.Locale, chosen string) []option {
	out := []option{{"", l.T("Not said"), chosen == ""}}
	for _, one := range locale.All() {
		out = append(out, option{one.Tag, one.Name, one.Tag == chosen})
	}
	if !slices.ContainsFunc(out, func(o option) bool { return o.Chosen }) {
		out = append(out, option{chosen, chosen, true})
	}
	return out
}

// postProfile takes what a person may say of themselves and nothing else: that
// an address or a number is confirmed is no field of this form.
func (w *Web) postProfile(v *visit) {
	if w.Login.Elsewhere(v.user) {
		w.renderProfile(v, http.StatusForbidden, nil, nil, pictureView{})
		return
	}
	said := saidIn(v.form)
	err := w.Login.ChangeProfile(v.r.Context(), v.user, said, w.visitor(v.r))
	var faults login.Faults
	switch {
	case err == nil:
		w.did(v, "/account", "", v.l.T("Saved."))
	case errors.As(err, &faults):
		problems := map[string]string{}
		for _, f := range faults {
			problems[f.Field] = v.l.T(f.Why, f.Args...)
		}
		shown := v.user.Profile()
		maps.Copy(shown, said)
		w.renderProfile(v, http.StatusUnprocessableEntity, shown, problems, pictureView{})
	default:
		w.fail(v.rw, v.r, err)
	}
}

func saidIn(form url.Values) login.Profile {
	said := login.Profile{}
	for _, name := range login.ProfileNames() {
		if form.Has(name) {
			said[name] = strings.ReplaceAll(form.Get(name), "\r\n", "\n")
		}
	}
	return said
}
