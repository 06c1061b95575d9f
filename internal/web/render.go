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
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"
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
	D       any
}

// as says how a page is answered.
type as struct {
	status     int      // 200
	formAction string   // 'self'
	frames     []string // origins that the page frames
	secret     bool     // the page shows a secret: never compressed beside what a stranger may choose
}

// pages are the parsed templates by name.
type pages struct {
	dir    string
	static *static
	parsed map[string]*template.Template
}

func loadPages(dir string, s *static) (*pages, error) {
	p := &pages{dir: dir, static: s}
	var err error
	p.parsed, err = p.parse(subFS(templateFiles, "templates"))
	return p, err
}

// parse makes one set for each page: its own file over the shared ones, whose
// names begin with an underscore.
func (p *pages) parse(files fs.FS) (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(p.words()).ParseFS(files, "_*.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	names, err := fs.Glob(files, "[a-z]*.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	parsed := make(map[string]*template.Template, len(names))
	for _, name := range names {
		t, err := template.Must(shared.Clone()).ParseFS(files, name)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		parsed[strings.TrimSuffix(name, ".html")] = t.Lookup(name)
	}
	return parsed, nil
}

// words are the functions that templates may call.
func (p *pages) words() template.FuncMap {
	return template.FuncMap{
		"asset": p.static.path, "ago": ago, "exact": exact, "iso": iso, "day": day,
		"letter": letter, "safeLink": safeLink, "hostname": hostname, "device": device,
		"add":   func(a, b int) int { return a + b },
		"field": newField,
	}
}

// field is a line of a form, for the template of that name.
type field struct {
	ID, Label, Value, Problem, Hint string
	Rows                            int  // more than one line
	Address                         bool // it takes a web address
}

// newField is for templates: kind is "text", "address" or a number of rows.
func newField(kind any, id, label, value, problem, hint string) field {
	f := field{ID: id, Label: label, Value: value, Problem: problem, Hint: hint, Address: kind == "address"}
	f.Rows, _ = kind.(int)
	return f
}

// find returns a page's template, fresh from disk while someone edits it.
func (p *pages) find(name string) (*template.Template, error) {
	parsed := p.parsed
	if p.dir != "" {
		var err error
		if parsed, err = p.parse(os.DirFS(p.dir)); err != nil {
			return nil, err
		}
	}
	t := parsed[name]
	if t == nil {
		return nil, fmt.Errorf("web: no template %q", name)
	}
	return t, nil
}

// render shows a page. It is written into a buffer first, so that a fault
// never leaves half a page.
func (w *Web) render(rw http.ResponseWriter, r *http.Request, how as, name string, p page) {
	p.Brand, p.Host, p.Now = w.Name, w.host, w.Now()
	t, err := w.pages.find(name)
	var out bytes.Buffer
	if err == nil {
		err = t.Execute(&out, &p)
	}
	if err != nil {
		w.Log.ErrorContext(r.Context(), "page failed", "page", name, "request", requestID(rw), "error", err)
		w.secureHeaders(rw, formSelf)
		http.Error(rw, "The server met an error of its own. Try again.", http.StatusInternalServerError)
		return
	}
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
	h.Set("Content-Language", "en")
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
