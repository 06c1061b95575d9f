package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// static are the files beside the pages, each under a name that changes with
// its content, so that browsers may keep it for ever.
type static struct {
	paths map[string]string // style.css → /static/style.3f2a….css
	files map[string][]byte // style.3f2a….css → content
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png",
}

func loadStatic() (*static, error) {
	s := &static{paths: map[string]string{}, files: map[string][]byte{}}
	files := subFS(staticFiles, "static")
	names, err := fs.Glob(files, "*")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		if path.Ext(name) == ".css" {
			content = dense(content)
		}
		s.add(name, content)
	}
	return s, nil
}

// cssNoise is what a style sheet says to people alone: comments, and where a line
// ends and the next begins.
var cssNoise = regexp.MustCompile(`(?s)/\*.*?\*/|\n[\n\t]*`)

func dense(css []byte) []byte { return cssNoise.ReplaceAll(css, nil) }

// add puts a file beside those that are part of the program.
func (s *static) add(name string, content []byte) (at string) {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	s.paths[name], s.files[hashed] = "/static/"+hashed, content
	return s.paths[name]
}

// path is for templates; a name that isn't there is a fault of the template.
func (s *static) path(name string) (string, error) {
	p, ok := s.paths[name]
	if !ok {
		return "", fmt.Errorf("no static file %q", name)
	}
	return p, nil
}

func (w *Web) serveStatic(rw http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	content, ok := w.static.files[name]
	if !ok {
		w.NotFound(rw, r)
		return
	}
	h := rw.Header()
	h.Set("Content-Type", mediaTypes[path.Ext(name)])
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = rw.Write(content)
}

// serveFavicon is for browsers that ask without having read a page.
func (w *Web) serveFavicon(rw http.ResponseWriter, r *http.Request) {
	w.redirect(rw, r, w.static.paths["favicon.svg"])
}
