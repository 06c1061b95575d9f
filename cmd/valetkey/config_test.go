package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// result is what one command line did.
type result struct {
	code     int
	out, err string
}

// command runs a command line in this process, with a data folder of its own.
func command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	loaded.args, loaded.path, loaded.entries = nil, "", nil // a process runs one command line
	var out, failed bytes.Buffer
	code := run(context.Background(), args, console{strings.NewReader(stdin), &out, &failed})
	return result{code, out.String(), failed.String()}
}

// write makes a configuration file that only its owner reads.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "valetkey.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBadConfiguration: CONTRACT §1: an unknown key, a bad value or an
// unreadable file stops the start with one line that names file, line, key and
// what would be right. FILE stands for the file's path.
func TestBadConfiguration(t *testing.T) {
	for _, c := range []struct {
		name, file string
		env        string // NAME=value
		args       string
		want       string
		code       int
	}{
		{"unknown key", "listen: 127.0.0.1:0\nlisten-on: x\n", "", "", `FILE:2: unknown key "listen-on"`, exitUsage},
		{"unknown key with suggestion", "\nlisen: x\n", "", "", `FILE:2: unknown key "lisen"; did you mean "listen"?`, exitUsage},
		{"unknown nested key", "tls:\n  cert: a\n  kye: b\n", "", "", `FILE:3: unknown key "tls-kye"; did you mean "tls-key"?`, exitUsage},
		{"not a setting", "help: true\n", "", "", `FILE:1: unknown key "help"`, exitUsage},
		{"no mapping", "- a\n- b\n", "", "", "FILE:1: expected lines of KEY: VALUE", exitUsage},
		{"no YAML", "a: [\n", "", "", "FILE", exitUsage},
		{"the same key twice", "throttle: on\nthrottle: off\n", "", "", "FILE", exitUsage},
		{"unknown key of a section", "users:\n  - username: ada\n    pasword: secret words\n", "", "", "FILE:1: users:", exitUsage},

		{"bad word in the file", "\nthrottle: maybe\n", "", "", `FILE:2: throttle: "maybe" is not one of on, off`, exitUsage},
		{"bad word in the environment", "", "VALETKEY_THROTTLE=maybe", "", `VALETKEY_THROTTLE: throttle: "maybe" is not one of on, off`, exitUsage},
		{"bad word in a flag", "", "", "--throttle=maybe", `--throttle: throttle: "maybe" is not one of on, off`, exitUsage},
		{"a flag wins over a good file", "throttle: on\n", "", "--throttle=maybe", `--throttle: throttle: "maybe"`, exitUsage},
		{"a flag wins over a good variable", "", "VALETKEY_THROTTLE=on", "--throttle=maybe", `--throttle: throttle: "maybe"`, exitUsage},
		{"a variable wins over a good file", "throttle: on\n", "VALETKEY_THROTTLE=maybe", "", `VALETKEY_THROTTLE: throttle: "maybe"`, exitUsage},

		{"bad boolean in the file", "brand: x\nsignup: perhaps\n", "", "", "FILE:2", exitUsage},
		{"bad boolean in the environment", "", "VALETKEY_SIGNUP=perhaps", "", "VALETKEY_SIGNUP", exitUsage},
		{"bad boolean in a flag", "", "", "--signup=perhaps", "--signup", exitUsage},
		{"bad database", "database: mysql://x\n", "", "", "FILE:1: database: write sqlite:PATH or postgres://", exitUsage},
		{"bad address", "listen: 8080\n", "", "", `FILE:1: listen: "8080" is not HOST:PORT`, exitUsage},
		{"bad level", "log:\n  level: loud\n", "", "", `FILE:2: log-level: "loud" is not one of debug, info, warn, error`, exitUsage},
		{"bad network", "trusted-proxies: [10.0.0.0/8, elsewhere]\n", "", "", `FILE:1: trusted-proxies: "elsewhere" is not a network`, exitUsage},
		{"half a certificate", "tls-cert: a.pem\n", "", "", "FILE:1: tls-cert and tls-key belong together", exitUsage},
		{"bad issuer in the file", "brand: x\nissuer: http://auth.example.com\n", "", "", "FILE:2: issuer", exitUsage},
		{"bad issuer in the environment", "", "VALETKEY_ISSUER=https://auth.example.com/", "", "VALETKEY_ISSUER: issuer", exitUsage},
		{"bad issuer in a flag", "", "", "--issuer=auth.example.com", "--issuer: issuer", exitUsage},
		{"unknown flag", "", "", "--lisen=x", "--lisen", exitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"user", "list", "--data-dir", t.TempDir()}
			want := c.want
			if c.file != "" {
				path := write(t, c.file)
				args = append(args, "--config", path)
				want = strings.Replace(want, "FILE", path, 1)
			}
			if name, value, ok := strings.Cut(c.env, "="); ok {
				t.Setenv(name, value)
			}
			if c.args != "" {
				args = append(args, c.args)
			}
			got := command(t, "", args...)
			line := strings.TrimSuffix(got.err, "\n")
			if got.code != c.code || !strings.HasPrefix(line, "valetkey: ") || !strings.Contains(line, want) || strings.Contains(line, "\n") || got.out != "" {
				t.Errorf("exit %d, %q %q\nwant %d, one line with %q", got.code, got.err, got.out, c.code, want)
			}
			if strings.Contains(line, "secret words") {
				t.Errorf("a secret is shown: %s", line)
			}
		})
	}
}

// TestUnreadableConfiguration: CONTRACT §1.
func TestUnreadableConfiguration(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	for name, path := range map[string]string{"missing": missing, "a folder": t.TempDir()} {
		got := command(t, "", "user", "list", "--config", path)
		if got.code != exitUsage || !strings.Contains(got.err, path) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	t.Setenv("VALETKEY_CONFIG", missing)
	if got := command(t, "", "user", "list"); got.code != exitUsage || !strings.Contains(got.err, missing) {
		t.Errorf("by variable: %+v", got)
	}
}

// parsed is the settings of a command line, without running it.
func parsed(t *testing.T, args ...string) *Settings {
	t.Helper()
	loaded.args, loaded.path, loaded.entries = nil, "", nil
	var cmds commands
	parser, err := kong.New(&cmds)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"version"}, args...)); err != nil {
		t.Fatal(err)
	}
	return &cmds.Settings
}

// TestPrecedence: CONTRACT §1: each setting is a flag, a variable and a key; a
// flag wins over the variable, the variable over the file, the file over the
// default.
func TestPrecedence(t *testing.T) {
	file := write(t, "brand: from the file\nlisten: 127.0.0.1:1\n")
	for _, c := range []struct {
		name, env string
		args      []string
		want      string
	}{
		{"default", "", nil, "Valet Key"},
		{"file", "", []string{"--config", file}, "from the file"},
		{"variable", "from the variable", nil, "from the variable"},
		{"variable over file", "from the variable", []string{"--config", file}, "from the variable"},
		{"flag over variable", "from the variable", []string{"--brand", "from the flag"}, "from the flag"},
		{"flag over all", "from the variable", []string{"--config", file, "--brand", "from the flag"}, "from the flag"},
		{"flag before the file", "", []string{"--brand", "from the flag", "--config", file}, "from the flag"},
		{"flag over file", "", []string{"--config=" + file, "--brand=from the flag"}, "from the flag"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("VALETKEY_BRAND", c.env)
			if c.env == "" {
				_ = os.Unsetenv("VALETKEY_BRAND")
			}
			s := parsed(t, c.args...)
			if s.Brand != c.want {
				t.Errorf("brand is %q, want %q", s.Brand, c.want)
			}
		})
	}
}

// TestConfigurationFile: nested keys join with "-"; "_" is "-"; lists; and the
// sections of the seed.
func TestConfigurationFile(t *testing.T) {
	s := parsed(t, "--config", write(t, `
listen: "127.0.0.1:9999"
data_dir: /elsewhere
tls:
  cert: a.pem
  key: b.pem
log:
  level: debug
  format: json
signup: true
trusted-proxies: [10.0.0.0/8, 192.0.2.7]
throttle: "off"
scopes:
  orgs:read: {title: See your organizations, optional: true, resource: https://api.example}
resources:
  https://api.example: {name: API, client: api}
users:
  - {username: ada, password: correct horse battery, claims: {given_name: Ada}}
clients:
  - {id: web, name: App, redirect_uris: [https://app.example/cb], first_party: true}
`))
	if s.Listen != "127.0.0.1:9999" || s.DataDir != "/elsewhere" || s.TLSCert != "a.pem" || s.TLSKey != "b.pem" ||
		s.LogLevel != "debug" || s.LogFormat != "json" || !s.Signup || s.Throttle != "off" {
		t.Errorf("%+v", s)
	}
	if proxies, err := s.proxies(); err != nil || len(proxies) != 2 || proxies[1].String() != "192.0.2.7/32" {
		t.Errorf("%v %v", proxies, err)
	}
	if scopes := s.seed.scopes(); len(scopes) != 1 || scopes[0].Name != "orgs:read" || !scopes[0].Optional {
		t.Errorf("%+v", scopes)
	}
	if resources := s.seed.resources(); len(resources) != 1 || resources[0].Client != "api" {
		t.Errorf("%+v", resources)
	}
	if u, c := s.seed.Users, s.seed.Clients; len(u) != 1 || u[0].Claims["given_name"] != "Ada" || len(c) != 1 || !c[0].FirstParty {
		t.Errorf("%+v %+v", u, c)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
	if s := parsed(t, "--config", write(t, "# nothing\n")); s.Listen != "127.0.0.1:8080" {
		t.Errorf("an empty file: %+v", s)
	}
}

// TestEverySettingHasItsVariable: CONTRACT §1: key listen, flag --listen,
// variable VALETKEY_LISTEN.
func TestEverySettingHasItsVariable(t *testing.T) {
	var cmds commands
	parser, err := kong.New(&cmds)
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		if flag.Name != "help" && (len(flag.Envs) != 1 || flag.Envs[0] != variable(flag.Name)) {
			t.Errorf("--%s has the variables %v", flag.Name, flag.Envs)
		}
	}
}

// TestExitCodes: CONTRACT §1: 0 ok, 1 failed, 2 usage; with --json one document
// on standard output and nothing else, errors on standard error.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	at := func(args ...string) []string { return append(args, "--data-dir", dir) }
	for _, c := range []struct {
		name, stdin string
		args        []string
		code        int
		document    bool
	}{
		{"version", "", []string{"version"}, exitOK, false},
		{"help", "", []string{"--help"}, exitOK, false},
		{"no command", "", nil, exitUsage, false},
		{"unknown command", "", []string{"fly"}, exitUsage, false},
		{"missing flag", "", at("user", "create"), exitUsage, false},
		{"missing argument", "", at("user", "show"), exitUsage, false},
		{"empty standard input", "", at("user", "create", "--username", "ada", "--password-stdin"), exitUsage, false},
		{"made", "correct horse battery\n", at("user", "create", "--username", "ada", "--email", "ada@example.com", "--password-stdin", "--json"), exitOK, true},
		{"made twice", "", at("user", "create", "--username", "ADA", "--json"), exitFail, false},
		{"bad password", "short\n", at("user", "create", "--username", "bob", "--password-stdin", "--json"), exitFail, false},
		{"shown", "", at("user", "show", "Ada", "--json"), exitOK, true},
		{"shown by email", "", at("user", "show", "ada@example.com", "--json"), exitOK, true},
		{"nobody", "", at("user", "show", "eve", "--json"), exitFail, false},
		{"listed", "", at("user", "list", "--json"), exitOK, true},
		{"no apps", "", at("client", "list", "--json"), exitOK, true},
		{"client", "", at("client", "create", "--name", "App", "--redirect-uri", "https://app.example/cb", "--json"), exitOK, true},
		{"bad client", "", at("client", "create", "--name", "App", "--redirect-uri", "http://app.example/cb", "--json"), exitFail, false},
		{"unknown kind of client", "", at("client", "create", "--name", "App", "--type", "odd", "--json"), exitUsage, false},
		{"keys", "", at("key", "list", "--json"), exitOK, true},
		{"scope", "", at("scope", "create", "read", "--title", "Read", "--json"), exitOK, true},
		{"scopes", "", at("scope", "list", "--json"), exitOK, true},
		{"disabled", "", at("user", "disable", "ada", "--json"), exitOK, true},
		{"deleted", "", at("user", "delete", "ada", "--json"), exitOK, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := command(t, c.stdin, c.args...)
			if got.code != c.code || (c.code != exitOK) != (got.err != "") {
				t.Fatalf("exit %d, want %d: %q %q", got.code, c.code, got.out, got.err)
			}
			if c.code != exitOK && (got.out != "" || strings.Count(got.err, "\n") != 1 || !strings.HasPrefix(got.err, "valetkey: ")) {
				t.Errorf("an error is one line on standard error: %q %q", got.out, got.err)
			}
			if strings.Contains(got.err+got.out, "correct horse") {
				t.Errorf("the password is shown: %q %q", got.out, got.err)
			}
			if !c.document {
				return
			}
			decoder := json.NewDecoder(strings.NewReader(got.out))
			var document any
			if err := decoder.Decode(&document); err != nil || document == nil {
				t.Fatalf("%v: %q", err, got.out)
			}
			if decoder.More() {
				t.Errorf("more than one document: %q", got.out)
			}
		})
	}
}

// FuzzParseConfig: a file is understood or refused in one line, never a panic,
// and every key says where it stands.
func FuzzParseConfig(f *testing.F) {
	for _, text := range []string{
		"listen: x", "tls:\n  cert: a\n  key: b\n", "a: [1, 2]", "- a", "a: b: c", "\x00", "a: &x b\nc: *x", "? a\n: b", "{}", "users: [{username: ada}]",
		"users: 7", "scopes:\n  a: {title: b}", "a:\n  - b\n  - {c: d}", "<<: {a: b}", "a: !!binary x", "'a': 1\n\"b\": 2", "a: |\n  text\n", "---\na: b\n---\nc: d\n", "a: *nothing", "users: !tag x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var into seed
		entries, err := parseConfig("file.yaml", content, &into)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "file.yaml") {
				t.Fatalf("the file isn't named: %v", err)
			}
			return
		}
		lines := bytes.Count(content, []byte("\n")) + bytes.Count(content, []byte("\r")) + 1
		for key, e := range entries {
			if e.line < 1 || e.line > lines || strings.Contains(key, "_") {
				t.Fatalf("%q stands on line %d of %d", key, e.line, lines)
			}
			_ = asFlag(e.value)
		}
	})
}

// TestEdits: the distance that suggestions go by.
func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"listen", "listen", 0}, {"lisen", "listen", 1}, {"lsiten", "listen", 2}, {"kitten", "sitting", 3}} {
		if got := edits(c.a, c.b); got != c.want || edits(c.b, c.a) != got {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
