package scan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
)

// source collects the calls of T and N with texts in them, what locale.Key
// marks and what login.Invalid says. A call of T with a variable is of a text that Key marked.
func (k *keys) source(where string, text []byte) error {
	file, err := parser.ParseFile(token.NewFileSet(), where, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
				k.call(where, sel, n.Args)
			}
		case *ast.CompositeLit:
			k.invalid(where, n)
		}
		return true
	})
	return nil
}

// invalid collects the Why of a login.Invalid, which pages translate.
func (k *keys) invalid(where string, lit *ast.CompositeLit) {
	of := lit.Type
	if sel, ok := of.(*ast.SelectorExpr); ok {
		of = sel.Sel
	}
	if name, ok := of.(*ast.Ident); !ok || name.Name != "Invalid" {
		return
	}
	for _, e := range lit.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		name, _ := pair.Key.(*ast.Ident)
		if key, ok := literal(pair.Value); ok && name != nil && name.Name == "Why" {
			k.add(where, key, "")
		}
	}
}

func (k *keys) call(where string, sel *ast.SelectorExpr, args []ast.Expr) {
	of, _ := sel.X.(*ast.Ident)
	switch {
	case sel.Sel.Name == "Key" && of != nil && of.Name == "locale" && len(args) == 1:
		if key, ok := literal(args[0]); ok {
			k.add(where, key, "")
		} else {
			k.fault(where, "locale.Key marks a text, not a variable")
		}
	case sel.Sel.Name == "T" && len(args) > 0:
		if key, ok := literal(args[0]); ok {
			k.add(where, key, "")
		}
	case sel.Sel.Name == "N" && len(args) > 2:
		one, ok1 := literal(args[1])
		other, ok2 := literal(args[2])
		if ok1 && ok2 {
			k.add(where, other, one)
		}
	}
}

// literal is the value of "a" and of "a" + "b".
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		a, ok1 := literal(e.X)
		b, ok2 := literal(e.Y)
		return a + b, ok1 && ok2 && e.Op == token.ADD
	case *ast.ParenExpr:
		return literal(e.X)
	}
	return "", false
}
