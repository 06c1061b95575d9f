package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// configFile is the --config flag. Reading it adds its keys to what the
// command line resolves.
type configFile string

// entries remembers where each key of the file stands, for error messages.
type entry struct {
	value any
	line  int
}

var loaded struct {
	args    []string // the command line
	path    string
	entries map[string]entry
}

// BeforeResolve reads the file when the parser meets the flag.
func (c configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path := string(ctx.FlagValue(trace.Flag).(configFile))
	if path == "" {
		return nil
	}
	settings, ok := ctx.Model.Target.Addr().Interface().(*commands)
	if !ok {
		return errors.New("no settings")
	}
	resolve, err := readConfig(path, ctx.Model.Flags, &settings.seed)
	if err != nil {
		return err
	}
	ctx.AddResolver(resolve)
	return nil
}

// origin tells where the value of a key came from: the flag that was given,
// else the variable, else the file.
func (c configFile) origin(keys ...string) string {
	for _, key := range keys {
		e, inFile := loaded.entries[key]
		switch {
		case given(loaded.args, key):
			return "--" + key
		case os.Getenv(variable(key)) != "":
			return variable(key)
		case inFile:
			return fmt.Sprintf("%s:%d", loaded.path, e.line)
		}
	}
	return "--" + keys[0]
}

func variable(key string) string {
	return "VALETKEY_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// readConfig parses the file, refuses what it doesn't know, and returns its
// settings as defaults below flags and variables.
func readConfig(path string, flags []*kong.Flag, into *seed) (kong.Resolver, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	loaded.path = path // files that it names lie beside it
	entries, err := parseConfig(path, content, into)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, f := range flags {
		known[f.Name] = true
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if !known[key] || key == "config" || key == "help" {
			return nil, fmt.Errorf("%s:%d: unknown key %q%s", path, entries[key].line, key, nearest(key, known))
		}
	}
	loaded.path, loaded.entries = path, entries
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		e, ok := entries[flag.Name]
		if !ok || slices.ContainsFunc(flag.Envs, func(v string) bool { return os.Getenv(v) != "" }) {
			return nil, nil
		}
		return asFlag(e.value), nil
	}), nil
}

// asFlag gives a value the form in which kong reads flags.
func asFlag(value any) any {
	list, ok := value.([]any)
	if !ok {
		if b, isBool := value.(bool); isBool {
			return b
		}
		return fmt.Sprint(value)
	}
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ",")
}

// parseConfig flattens nested keys with "-" and takes the sections of the seed
// apart. The library panics on some documents that nobody would write, such as
// a scalar with an unknown tag where a list belongs; that is one line too.
func parseConfig(path string, content []byte, into *seed) (entries map[string]entry, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			entries, err = nil, fmt.Errorf("%s: this is not YAML that can be understood", path)
		}
	}()
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", path, firstLine(err))
	}
	entries = map[string]entry{}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		mapping, ok := doc.Body.(ast.MapNode)
		if !ok {
			return nil, fmt.Errorf("%s:%d: expected lines of KEY: VALUE", path, doc.Body.GetToken().Position.Line)
		}
		if err := flatten(path, "", mapping, entries, into); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func flatten(path, prefix string, node ast.MapNode, entries map[string]entry, into *seed) error {
	for iter := node.MapRange(); iter.Next(); {
		key, value := prefix+keyText(iter.Key()), iter.Value()
		line := iter.Key().GetToken().Position.Line
		if read := into.section(key); read != nil {
			if err := read(value); err != nil {
				var there lineError
				if errors.As(err, &there) && there.line > 0 {
					line = there.line
				}
				return fmt.Errorf("%s:%d: %s: %s", path, line, key, firstLine(err))
			}
			continue
		}
		if nested, ok := value.(ast.MapNode); ok {
			if err := flatten(path, key+"-", nested, entries, into); err != nil {
				return err
			}
			continue
		}
		var plain any
		if err := yaml.NodeToValue(value, &plain); err != nil {
			return fmt.Errorf("%s:%d: %s: %s", path, line, key, firstLine(err))
		}
		if plain != nil && reflect.TypeOf(plain).Kind() == reflect.Map {
			return fmt.Errorf("%s:%d: %s takes a single value", path, line, key)
		}
		entries[key] = entry{value: plain, line: line}
	}
	return nil
}

// keyText reads a key without its quotes; tls_cert and tls-cert are one.
func keyText(key ast.Node) string {
	text := key.GetToken().Value
	return strings.ReplaceAll(text, "_", "-")
}

// firstLine drops the source excerpt that the library adds: it could show a
// secret.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSpace(line)
}

// nearest offers the known key that differs least.
func nearest(key string, known map[string]bool) string {
	best, distance := "", 4
	for k := range known {
		if d := edits(key, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			left, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, left+cost)
		}
	}
	return row[len(b)]
}
