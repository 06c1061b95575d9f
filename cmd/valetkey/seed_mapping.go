package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// lineError says on which line of the file something is wrong.
type lineError struct {
	line int
	error
}

// mapping is one entry of a list of the seed whose keys are those of a JSON
// document.
type mapping struct {
	values map[string]any
	node   ast.Node // only to tell lines
	line   int
}

// eachMapping reads a list of mappings.
func eachMapping(list ast.Node, do func(mapping) error) error {
	var all []map[string]any
	if err := yaml.NodeToValue(list, &all); err != nil {
		return err
	}
	nodes, _ := list.(*ast.SequenceNode)
	for i, values := range all {
		m := mapping{values: values}
		if nodes != nil && i < len(nodes.Values) {
			m.node = nodes.Values[i]
			m.line = m.node.GetToken().Position.Line
			if first := firstKey(m.node); first != nil {
				m.line = first.GetToken().Position.Line
			}
		}
		if err := do(m); err != nil {
			return err
		}
	}
	return nil
}

// firstKey is where a mapping begins; its own token is a colon or a brace.
func firstKey(node ast.Node) ast.Node {
	entries, ok := node.(ast.MapNode)
	if !ok {
		return nil
	}
	if iter := entries.MapRange(); iter.Next() {
		return iter.Key()
	}
	return nil
}

// wrong blames a key of this entry.
func (m mapping) wrong(key string, err error) error {
	if line := lineOf(m.node, key); line > 0 {
		return lineError{line, err}
	}
	return lineError{m.line, err}
}

// lineOf finds a key in a mapping or below it.
func lineOf(node ast.Node, key string) int {
	switch n := node.(type) {
	case ast.MapNode:
		for iter := n.MapRange(); iter.Next(); {
			if iter.Key().GetToken().Value == key {
				return iter.Key().GetToken().Position.Line
			}
			if line := lineOf(iter.Value(), key); line > 0 {
				return line
			}
		}
	case *ast.SequenceNode:
		for _, v := range n.Values {
			if line := lineOf(v, key); line > 0 {
				return line
			}
		}
	}
	return 0
}

// into fills a struct with JSON names; short maps other names to those. What
// it doesn't know it refuses.
func (m mapping) into(target any, short map[string]string) error {
	known := jsonNames(reflect.TypeOf(target).Elem())
	offered := map[string]bool{}
	for name := range known {
		offered[name] = true
	}
	for name := range short {
		offered[name] = true
	}
	full, written := map[string]any{}, map[string]string{}
	for key, value := range m.values {
		name := key
		if long, ok := short[key]; ok {
			name = long
		}
		switch {
		case !known[name]:
			return m.wrong(key, fmt.Errorf("unknown key %q%s", key, nearest(key, offered)))
		case written[name] != "":
			return m.wrong(key, fmt.Errorf("%q and %q are one; write it once", min(key, written[name]), max(key, written[name])))
		}
		full[name], written[name] = value, key
	}
	content, err := json.Marshal(full)
	if err != nil {
		return lineError{m.line, errors.New("it has a value that JSON has no words for")}
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	return m.explain(decoder.Decode(target), written)
}

// explain turns a decoder's error into words about a key.
func (m mapping) explain(err error, written map[string]string) error {
	if err == nil {
		return nil
	}
	if unknown, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return m.wrong(strings.Trim(unknown, `"`), errors.New("unknown key "+unknown))
	}
	var bad *json.UnmarshalTypeError
	if !errors.As(err, &bad) {
		return lineError{m.line, err}
	}
	parts := strings.Split(bad.Field, ".")
	key := parts[len(parts)-1]
	if short := written[key]; short != "" {
		key = short
	}
	return m.wrong(key, fmt.Errorf("%s takes %s", key, kindWords(bad.Type)))
}

func kindWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text; put it into quotes"
	case reflect.Int, reflect.Int64:
		return "a number"
	default:
		return "keys of its own"
	}
}

// jsonNames are the names of a struct's fields, embedded ones included.
func jsonNames(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" && field.IsExported() {
			names[name] = true
		}
	}
	return names
}
