package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/valetkey/valetkey/internal/locale"
)

//go:embed all:templates
var templateFiles embed.FS

// page is what every template sees; D is the page's own.
type page struct {
	Title   string
	Brand   string
	Host    string
	Section string // the entry of the side list, "" on single cards
	Who     string // who is signed in, for the frame
	Out     string // form token of the sign-out button
	Now     time.Time
	Choice  *languageForm
	Look    look
	Done    done // what a button did just now
	D       any
}

// as says how a page is answered.
type as struct {
	status     int      // 200
	formAction string   // 'self'
	frames     []string // origins that the page frames
	secret     bool     // the page shows a secret: never compressed beside what a stranger may choose
}

// pages are the parsed templates, in each language that was spoken.
type pages struct {
	dir     string
	overlay string
	static  *static
	mu      sync.Mutex
	spoken  map[*locale.Locale]*template.Template
}

// loadPages parses the English pages, so that a fault of theirs shows at once;
// other languages follow when somebody speaks them.
func loadPages(dir, overlay string, s *static) (*pages, error) {
	p := &pages{dir: dir, overlay: overlay, static: s, spoken: map[*locale.Locale]*template.Template{}}
	_, err := p.in(locale.Get("en"))
	return p, err
}

// in is the templates with their words bound to a language.
func (p *pages) in(l *locale.Locale) (*template.Template, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if parsed := p.spoken[l]; parsed != nil {
		return parsed, nil
	}
	parsed, err := p.parse(subFS(templateFiles, "templates"), l)
	if err == nil {
		p.spoken[l] = parsed
	}
	return parsed, err
}

const overlayFault = "web: a template of the operator's: "

// parse makes one set of all pages and what they share, which stands in files
// whose names begin with an underscore.
func (p *pages) parse(files fs.FS, l *locale.Locale) (*template.Template, error) {
	parsed, err := template.New("").Funcs(newVoice(l).words()).Funcs(p.words()).ParseFS(files, "*.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if p.overlay == "" {
		return parsed, nil
	}
	if parsed, err = parsed.ParseFS(os.DirFS(p.overlay), "*.html"); err != nil {
		return nil, fmt.Errorf(overlayFault+"%w", err)
	}
	return parsed, nil
}

// words are the functions that templates may call in every language.
func (p *pages) words() template.FuncMap {
	return template.FuncMap{
		"asset":  p.static.path,
		"letter": letter, "safeLink": safeLink, "hostname": hostname,
		"add":   func(a, b int) int { return a + b },
		"field": newField, "focused": focused,
	}
}

// field is a line of a form, for the template of that name.
type field struct {
	ID, Label, Value, Problem, Hint string
	Rows                            int  // more than one line
	Address                         bool // it takes a web address
	Focus                           bool // the cursor goes there
}

// newField is for templates: kind is "text", "address" or a number of rows.
func newField(kind any, id, label, value, problem, hint string) field {
	f := field{ID: id, Label: label, Value: value, Problem: problem, Hint: hint, Address: kind == "address"}
	f.Rows, _ = kind.(int)
	return f
}

// focused puts the cursor in a field, when it is the one of that name.
func focused(id string, f field) field {
	f.Focus = id == f.ID
	return f
}

// firstWrong is the first of a form's fields with something wrong with it, ""
// for none.
func firstWrong(order []string, errors map[string]string) string {
	for _, name := range order {
		if errors[name] != "" {
			return name
		}
	}
	return ""
}

// find returns a page's template, fresh from disk while someone edits it.
func (p *pages) find(l *locale.Locale, name string) (*template.Template, error) {
	parse := p.in
	if p.dir != "" {
		parse = func(l *locale.Locale) (*template.Template, error) { return p.parse(os.DirFS(p.dir), l) }
	}
	parsed, err := parse(l)
	if err != nil {
		return nil, err
	}
	t := parsed.Lookup(name + ".html")
	if t == nil {
		return nil, fmt.Errorf("web: no template %q", name)
	}
	return t, nil
}

// render shows a page. It is written into a buffer first, so that a fault
// never leaves half a page.
func (w *Web) render(rw http.ResponseWriter, r *http.Request, how as, name string, p page) {
	l := w.speak(r)
	p.Look = w.looksLike(r)
	p.Brand, p.Host, p.Now, p.Choice = p.Look.Name, w.host, w.Now(), w.offerLanguages(rw, r, how)
	t, err := w.pages.find(l, name)
	var out bytes.Buffer
	if err == nil {
		err = t.Execute(&out, &p)
	}
	if err != nil {
		w.Log.ErrorContext(r.Context(), "page failed", "page", name, "request", requestID(rw), "error", err)
		w.secureHeaders(rw, formSelf)
		http.Error(rw, l.T("The server met an error of its own. Try again."), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Language", l.Tag)
	w.send(rw, r, how, out.Bytes())
}

func (w *Web) send(rw http.ResponseWriter, r *http.Request, how as, body []byte) {
	if how.formAction == "" {
		how.formAction = formSelf
	}
	if how.status == 0 {
		how.status = http.StatusOK
	}
	w.secureHeaders(rw, how.formAction, how.frames...)
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if how.secret {
		h.Set(gzhttp.HeaderNoCompression, "1")
	}
	if len(body) < 1024 || how.secret {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	rw.WriteHeader(how.status)
	if r.Method != http.MethodHead {
		_, _ = rw.Write(body) // the browser may have gone
	}
}
