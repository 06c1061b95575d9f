package main

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// places says where a section is kept, and what tests it.
type places struct{ code, tests map[string]bool }

type index map[reference]*places

func (x index) add(r reference, where string, isTest bool) {
	p := x[r]
	if p == nil {
		p = &places{code: map[string]bool{}, tests: map[string]bool{}}
		x[r] = p
	}
	if isTest {
		p.tests[where] = true
		return
	}
	p.code[where] = true
}

// scan reads every Go file and script of the module.
func scan(root string) (index, error) {
	found := index{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && left(root, path, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch filepath.Ext(name) {
		case ".go":
			return found.goFile(path, name)
		case ".txtar":
			return found.script(path, name)
		}
		return nil
	})
	return found, err
}

// left tells folders that are none of ours, this one too: it names sections
// only to say how they are written.
func left(root, path, name string) bool {
	return strings.HasPrefix(name, ".") || name == "node_modules" || name == "bin" || name == "testdata" ||
		path == filepath.Join(root, "tools") || path == filepath.Join(root, "internal", "specs")
}

func (x index) goFile(path, name string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	isTest := strings.HasSuffix(name, "_test.go")
	note := func(at token.Pos, text string) {
		where := name
		if decl := declarationAt(file, at); decl != "" {
			where += ": " + decl
		}
		for _, r := range references(text) {
			x.add(r, where, isTest)
		}
	}
	for _, group := range file.Comments {
		note(group.Pos(), group.Text())
	}
	if isTest { // a table's row names its section in a string
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				note(lit.Pos(), lit.Value)
			}
			return true
		})
	}
	return nil
}

// declarationAt names the declaration that a position is in or stands above.
func declarationAt(file *ast.File, at token.Pos) string {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if within(d, d.Doc, at) {
				return d.Name.Name
			}
		case *ast.GenDecl:
			if d.Tok != token.IMPORT && within(d, d.Doc, at) {
				return specAt(d, at)
			}
		}
	}
	return ""
}

func within(n ast.Node, doc *ast.CommentGroup, at token.Pos) bool {
	from := n.Pos()
	if doc != nil {
		from = doc.Pos()
	}
	return from <= at && at <= n.End()
}

// specAt names the one of a group; the first when the comment is about all.
func specAt(d *ast.GenDecl, at token.Pos) string {
	name := ""
	for _, s := range d.Specs {
		if one := specName(s); name == "" || s.Pos() <= at {
			name = one
		}
	}
	return name
}

func specName(s ast.Spec) string {
	switch s := s.(type) {
	case *ast.TypeSpec:
		return s.Name.Name
	case *ast.ValueSpec:
		return s.Names[0].Name
	}
	return ""
}

// script reads the comments of a conversation.
func (x index) script(path, name string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var comments strings.Builder
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		text, isComment := strings.CutPrefix(strings.TrimSpace(lines.Text()), "#")
		if isComment {
			comments.WriteString(text + "\n")
			continue
		}
		x.remarks(&comments, name)
	}
	x.remarks(&comments, name)
	return lines.Err()
}

func (x index) remarks(comments *strings.Builder, name string) {
	for _, r := range references(comments.String()) {
		x.add(r, name, true)
	}
	comments.Reset()
}
