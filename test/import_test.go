package test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/test/harness"
)

// The files that other systems would export. Each user's password is in
// importPasswords; the hashes are by Django 5.2, passlib 1.7, bcrypt 4.0, hashlib
// and argon2-cffi 25.1 of Python, Firebase's by github.com/firebase/scrypt's
// README.
const (
	importedJSONL = `{"username":"ssha","email":"ssha@x.example","email_verified":true,"password_hash":"{SSHA}FS2N8g7PyU9jcWpsFeOAhz5JsCtFSGlt","created_at":"2020-01-01T00:00:00Z"}
{"username":"django","password_hash":"pbkdf2_sha256$20000$seasalt12345$bze3xOfNlwdiIhRCL5LcLAxc+hl6FjE+FeOrUatAOV0=","groups":["staff"],"claims":{"given_name":"Dj"}}
{"username":"werkzeug","password_hash":"scrypt:32768:8:1$IlkszH0a5qAcBktl$2f1d72a11a7ef9bd492ec4b2d82394ae7f2d4090f51482967645a29e6caa98197a29a7ea447a8f7144f02e316367f906dd6350912617f810d50412b5b2a3d388"}
{"username":"nfkc","password_hash":"$2b$05$mfBrKbKhszCKpTVhhAQqAu/5OPS5x0EjLfKp.OOgbinJDgmsnhqQ2"}
{"username":"gone","password_hash":"{SSHA}FS2N8g7PyU9jcWpsFeOAhz5JsCtFSGlt","disabled":true}
{"username":"nobody"}
`
	importedKeycloak = `{"realm":"corp","users":[
 {"username":"kc-pbkdf2","email":"kc@x.example","emailVerified":true,"enabled":true,"createdTimestamp":1600000000000,"firstName":"Kay","credentials":[{"type":"password",
  "secretData":"{\"value\":\"S5sGGht2CDwSiYHXqqaGLcpFfJeneWTvsUCswq/gomJQj89oIqfgT0EZ08Q34AOU0w5giyvpBOpWMo/cUJUDwQ==\",\"salt\":\"AAECAwQFBgcICQoLDA0ODw==\",\"additionalParameters\":{}}",
  "credentialData":"{\"hashIterations\":30000,\"algorithm\":\"pbkdf2-sha512\",\"additionalParameters\":{}}"}],
  "federatedIdentities":[{"identityProvider":"google","userId":"117","userName":"kay@gmail.example"}],"groups":["/staff"],"realmRoles":["editor"]},
 {"username":"kc-argon2","enabled":true,"createdTimestamp":1600000000000,"credentials":[{"type":"password",
  "secretData":"{\"value\":\"4EiBugwYBjrz+cEnj0OsMm1cS5d5S/ne9zHfiT+g9Mc=\",\"salt\":\"AAECAwQFBgcICQoLDA0ODw==\",\"additionalParameters\":{}}",
  "credentialData":"{\"hashIterations\":5,\"algorithm\":\"argon2\",\"additionalParameters\":{\"hashLength\":[\"32\"],\"memory\":[\"7168\"],\"type\":[\"id\"],\"version\":[\"1.3\"],\"parallelism\":[\"1\"]}}"}]},
 {"username":"service-account-app","enabled":true,"serviceAccountClientId":"app"}
]}`
	importedAuth0 = `{"user_id":"auth0|1","email":"auth0@x.example","email_verified":true,"passwordHash":"$2b$05$Qusn8QaFAleBZfZxBoQbpOszFVbshksdeQVdQhPxdYIZwvH5R0HdG","identities":[{"provider":"auth0","user_id":"1"}]}
`
	importedFirebase = `{"users": [{"localId":"1","email":"firebase@x.example","emailVerified":true,"createdAt":"1600000000000","salt":"42xEC+ixf3L2lw==",
"passwordHash":"lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="}]}`
	importedFirebaseKey = `hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}`
)

// importPasswords are what people type. nfkc's was hashed as pässwort1; here its
// ä is two characters and its 1 stands in a circle.
var importPasswords = map[string]string{
	"ssha": "lètmein", "django": "lètmein", "werkzeug": "lètmein", "nfkc": "pa\u0308sswort①", "kc-pbkdf2": "lètmein", "kc-argon2": "lètmein",
	"auth0@x.example": "lètmein", "firebase@x.example": "user1password",
}

type importRun struct {
	name, file string
	args       []string
}

func importRuns(t testing.TB) []importRun {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := write("key", importedFirebaseKey)
	return []importRun{
		{"jsonl", write("a", importedJSONL), nil},
		{"keycloak", write("b", importedKeycloak), []string{"--connector", "google=goog"}},
		{"auth0", write("c", importedAuth0), nil},
		{"firebase", write("d", importedFirebase), []string{"--firebase-key", key}},
	}
}

// imported runs the command and reads its report.
func (p *process) imported(t testing.TB, code int, run importRun, more ...string) valetkey.ImportReport {
	t.Helper()
	args := slices.Concat([]string{"user", "import", run.file, "--format", run.name, "--json"}, run.args, more)
	got, out, failed := p.try(t, "", args...)
	if got != code {
		t.Fatalf("%v: exit %d: %s%s", args, got, out, failed)
	}
	var report valetkey.ImportReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	secretless(t, out+failed)
	return report
}

// secretless: no hash, no password and no key of a project in what anybody reads.
func secretless(t testing.TB, text string) {
	t.Helper()
	for _, secret := range []string{
		"FS2N8g7Py", "bze3xOfNl", "2f1d72a11a7e", "mfBrKbKhs", "S5sGGht2C", "4EiBugwYB", "Qusn8QaFA", "lSrfV15cp", "jxspr8Ki0", "AAECAwQF", "seasalt12345",
		"lètmein", "pässwort", "user1password",
	} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown: %s", secret, text)
		}
	}
}

func (p *process) database(t testing.TB) string {
	t.Helper()
	for _, e := range p.Environment {
		if dir, ok := strings.CutPrefix(e, "VALETKEY_DATA_DIR="); ok {
			return filepath.Join(dir, "valetkey.db")
		}
	}
	t.Fatal("no data folder")
	return ""
}

// column reads one column for each key.
func column(t testing.TB, path, query string) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	out := map[string]string{}
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			t.Fatal(err)
		}
		out[key] = value
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

const passwordOf = "SELECT username, password FROM users"

// TestImport: people of every source sign in with the passwords that they had,
// beside a running server; at the first sign-in the hash becomes ours.
func TestImport(t *testing.T) {
	p := newProcess(t, "VALETKEY_LOG_LEVEL=debug")
	p.Start(t)
	for _, run := range importRuns(t) {
		p.imported(t, 0, run)
	}
	before := column(t, p.database(t), passwordOf)
	if len(before) != 10 {
		t.Errorf("%d users", len(before))
	}
	for name, password := range importPasswords {
		if strings.HasPrefix(before[name], "$argon2id$v=19$m=19456") || before[name] == "" {
			t.Errorf("%s: stored as %q", name, before[name])
		}
		enters(t, p, name, password+"x", false)
		if now := column(t, p.database(t), passwordOf)[name]; now != before[name] {
			t.Errorf("%s: a wrong password changed the hash", name)
		}
		enters(t, p, name, password, true)
		if now := column(t, p.database(t), passwordOf)[name]; !strings.HasPrefix(now, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("%s: after the first sign-in: %q", name, now)
		}
		enters(t, p, name, password, true)
		enters(t, p, name, password+"x", false)
	}
	enters(t, p, "ssha@x.example", "lètmein", true)
	for _, name := range []string{"gone", "nobody", "service-account-app"} {
		enters(t, p, name, "lètmein", false)
		enters(t, p, name, "", false)
	}
	if links := column(t, p.database(t), "SELECT connector, issuer || ' ' || upstream_subject || ' ' || label FROM identities"); len(links) != 1 || links["goog"] != "https://accounts.google.com 117 kay@gmail.example" {
		t.Errorf("identities: %v", links)
	}
	if groups := column(t, p.database(t), "SELECT username, memberships FROM users"); groups["django"] != `{"":["staff"]}` || groups["kc-pbkdf2"] != `{"":["staff"]}` {
		t.Errorf("groups: %v", groups)
	}
	var user map[string]any
	p.CLI(t, "", &user, "user", "show", "kc-pbkdf2", "--json")
	if user["created_at"] != "2020-09-13T12:26:40Z" || user["name"] != "Kay" || user["email_verified"] != true {
		t.Errorf("user show: %v", user)
	}
	p.Kill() // before the log is read: it is written beside us
	secretless(t, p.Out.String())
}

// enters signs in, in a browser of its own.
func enters(t testing.TB, p *process, name, password string, want bool) {
	t.Helper()
	page, err := harness.NewBrowser(t, "http://"+p.Address).SignIn("/login", name, password)
	if err != nil || (page.URL.Path == "/account") != want {
		t.Errorf("%s: %v, at %s, wanted in: %v", name, err, page.URL, want)
	}
}

// TestImportDryRun: it changes not a byte, and its report is the one that the run
// has; a second run changes nothing either.
func TestImportDryRun(t *testing.T) {
	p := newProcess(t)
	p.CLI(t, "", nil, "user", "create", "--username", "django") // without address and time on either side they are one
	for _, run := range importRuns(t) {
		before := whole(t, p.database(t))
		dry := p.imported(t, 0, run, "--dry-run")
		if !bytes.Equal(before, whole(t, p.database(t))) {
			t.Errorf("%s: the dry run changed the database", run.name)
		}
		wet := p.imported(t, 0, run)
		if dry.DryRun = false; !reflect.DeepEqual(dry, wet) || wet.Created == 0 {
			t.Errorf("%s:\ndry %+v\nwet %+v", run.name, dry, wet)
		}
		before = whole(t, p.database(t))
		again := p.imported(t, 0, run)
		if again.Created != 0 || again.Refused != 0 || again.Skipped != again.Read || again.Read != wet.Read {
			t.Errorf("%s: again %+v", run.name, again)
		}
		if !bytes.Equal(before, whole(t, p.database(t))) {
			t.Errorf("%s: the second run changed the database", run.name)
		}
		if failing := p.imported(t, 1, run, "--update", "fail"); failing.Refused != wet.Created+wet.Skipped-services(wet) {
			t.Errorf("%s: --update fail: %+v", run.name, failing)
		}
	}
}

// services are those skipped for what they are.
func services(r valetkey.ImportReport) (n int) {
	for _, one := range r.SkippedFor {
		if one.Field == "" && strings.Contains(one.Why, "service") {
			n += one.Count
		}
	}
	return n
}

// whole is the hash of everything in a database that nobody has open.
func whole(t testing.TB, path string) []byte {
	t.Helper()
	h := sha256.New()
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil && (suffix == "" || !errors.Is(err, os.ErrNotExist)) {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%d\n", len(content))
		h.Write(content)
	}
	return h.Sum(nil)
}

// TestImportReport: what is told of which rows, and which exit codes there are:
// CONTRACT §1.
func TestImportReport(t *testing.T) {
	p := newProcess(t)
	p.CLI(t, "", nil, "user", "create", "--username", "ada", "--email", "ada@x.example")
	claims := filepath.Join(t.TempDir(), "claims")
	if err := os.WriteFile(claims, []byte(`{"email_verified":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p.CLI(t, "", nil, "user", "create", "--username", "bob", "--email", "bob@x.example", "--claims", claims)
	file := strings.Join([]string{
		`{"username":"new1","password_hash":"$2b$05$Qusn8QaFAleBZfZxBoQbpOszFVbshksdeQVdQhPxdYIZwvH5R0HdG","totp_secret":"GEZDGNBVGY3TQOJQ"}`,
		`{"username":"NEW1 "}`,
		`{"username":"ada","email":"other@x.example"}`,
		`{"username":"robert","email":"BOB@x.example","email_verified":true}`,
		`{"username":"bob@x.example"}`,
		`{"username":"robert","email":"bob@x.example"}`,
		`{"username":"bob","email":"bob@x.example"}`,
		`{"username":"a b"}`, `{"username":"c","email":"nonsense"}`, `{"username":"d","claims":{"colour":"red"}}`,
		`{"username":"e","created_at":"2999-01-01T00:00:00Z"}`,
		`{"username":"f","password_hash":"5f4dcc3b5aa765d61d8327deb882cf99"}`,
		`not JSON`,
		`{"username":"new2"}`,
	}, "\n")
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	run := importRun{"jsonl", path, nil}
	r := p.imported(t, 1, run)
	if r.Read != 14 || r.Created != 3 || r.Skipped != 1 || r.Refused != 10 || r.Hashes["bcrypt"] != 1 || r.NoPassword != 2 || r.Authenticators != 1 || len(r.Left) != 0 {
		t.Errorf("%+v", r)
	}
	want := map[int]string{
		2: "username another user of this file", 3: "username another account", 4: "email another account", 5: "username another account",
		8: "username Use letters", 9: "email This is not", 10: "claims \"colour\" is not a standard claim", 11: "created_at it lies in the future",
		12: "password_hash a hash without salt", 13: " it is no JSON object",
	}
	for _, reason := range r.RefusedFor {
		for _, e := range reason.Examples {
			if w := want[e.Line]; w == "" || !strings.HasPrefix(reason.Field+" "+reason.Why, w) {
				t.Errorf("line %d: %s %s, wanted %q", e.Line, reason.Field, reason.Why, w)
			}
			delete(want, e.Line)
		}
	}
	if len(want) != 0 {
		t.Errorf("not told of: %v", want)
	}
	if stopped := p.imported(t, 1, run, "--stop-on-error"); stopped.Read != 2 || stopped.Skipped != 1 || stopped.Refused != 1 {
		t.Errorf("--stop-on-error: %+v", stopped)
	}
	code, out, failed := p.try(t, file, "user", "import", "-", "--format", "jsonl", "--dry-run")
	if code != 1 || !strings.HasPrefix(out, "Dry run: nothing was written.\n") || !strings.Contains(out, "14  read\n") || failed != "valetkey: 10 of 14 users were refused\n" {
		t.Errorf("in words: %d\n%s%s", code, out, failed)
	}
	for _, bad := range [][]string{
		{"user", "import"},
		{"user", "import", "-"},
		{"user", "import", "-", "--format", "csv"},
		{"user", "import", "-", "--format", "jsonl", "--update", "replace"},
		{"user", "import", "-", "--format", "keycloak", "--connector", "corp=corp"},
		{"user", "import", "-", "--format", "firebase", "--firebase-key", path},
	} {
		if code, out, failed := p.try(t, "", bad...); code != 2 || out != "" || strings.Count(failed, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, %q", bad, code, out, failed)
		}
	}
	for _, bad := range [][]string{
		{"user", "import", path + ".none", "--format", "jsonl"},
		{"user", "import", path, "--format", "keycloak"},
		{"user", "import", path, "--format", "firebase", "--firebase-key", path + ".none"},
	} {
		if code, out, failed := p.try(t, "", bad...); code != 1 || out != "" || strings.Count(failed, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, %q", bad, code, out, failed)
		}
	}
}

// TestImportFactorsAndSubjects: authenticator apps make codes for here, which are
// asked for, and apps know people by the sub that they had.
func TestImportFactorsAndSubjects(t *testing.T) {
	p := newProcess(t)
	p.Start(t)
	const key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	otp := func(username, id, data string) string {
		return strings.Replace(importedKeycloak[strings.Index(importedKeycloak, `{"username":"kc-argon2"`):strings.Index(importedKeycloak, `,
 {"username":"service`)], `"kc-argon2","enabled":true,"createdTimestamp":1600000000000,"credentials":[`,
			fmt.Sprintf(`%q,%s"enabled":true,"createdTimestamp":1600000000000,"credentials":[{"type":"otp","userLabel":"Phone","secretData":"{\"value\":\"12345678901234567890\"}","credentialData":%q},`, username, id, data), 1)
	}
	const usual = `{"subType":"totp","digits":6,"counter":0,"period":30,"algorithm":"HmacSHA1"}`
	for _, row := range []struct {
		run  importRun
		code int
		more []string
	}{
		{importRun{"jsonl", write(`{"sub":"user-1","username":"one","password_hash":"{SSHA}FS2N8g7PyU9jcWpsFeOAhz5JsCtFSGlt","totp_secret":"` + key + `"}`), nil}, 0, nil},
		{importRun{"keycloak", write(`{"users":[` + otp("two", `"id":"7b1c2a44-0000-4000-8000-00000000000a",`, usual) + `,` + otp("none", "", usual) + `]}`), nil}, 1, []string{"--keep-subjects"}},
		{importRun{"keycloak", write(`{"users":[` + otp("three", `"id":"7b1c2a44-0000-4000-8000-00000000000b",`, strings.Replace(usual, ":6", ":8", 1)) + `]}`), nil}, 0, nil},
		{importRun{"auth0", write(`{"user_id":"auth0|4","username":"four"}`), nil}, 0, []string{"--keep-subjects"}},
		{importRun{"auth0", write(`{"user_id":"auth0|4","username":"five","email":"five@x.example"}` + "\n" + `{"user_id":"auth0|6","username":"six"}` + "\n" + `{"user_id":"auth0|6","username":"seven"}` + "\n" + `{"user_id":"ad|CN:x","username":"eight"}`), nil}, 1, []string{"--keep-subjects"}},
	} {
		dry := p.imported(t, row.code, row.run, append(row.more, "--dry-run")...)
		wet := p.imported(t, row.code, row.run, row.more...)
		if dry.DryRun = false; !reflect.DeepEqual(dry, wet) || wet.Created != 1 {
			t.Errorf("dry %+v\nwet %+v", dry, wet)
		}
		again := p.imported(t, row.code, row.run, row.more...)
		if again.Created != 0 || again.Skipped != 1 {
			t.Errorf("again: %+v", again)
		}
		for _, bad := range wet.RefusedFor {
			if bad.Field != "id" && bad.Field != "sub" {
				t.Errorf("%+v", bad)
			}
		}
		if row.run.name == "keycloak" && wet.Authenticators+wet.Left["second factor (otp: 8 digits, 30 seconds, HmacSHA1)"] != 1 {
			t.Errorf("%+v", wet)
		}
	}
	subjects := column(t, p.database(t), "SELECT username, subject FROM users")
	if subjects["one"] != "user-1" || subjects["two"] != "7b1c2a44-0000-4000-8000-00000000000a" || len(subjects["three"]) != 26 || subjects["four"] != "auth0|4" || subjects["six"] != "auth0|6" || len(subjects) != 5 {
		t.Errorf("%v", subjects)
	}
	for _, name := range []string{"one", "two"} {
		b := harness.NewBrowser(t, "http://"+p.Address)
		page, err := b.SignIn("/login", name, "lètmein")
		if err != nil || page.ByID("otp-form") == nil {
			t.Fatalf("%s: no code is asked for at %s: %v", name, page.URL, err)
		}
		wrong, err := b.Submit(page, "otp-form", "otp-submit", url.Values{"otp": {"000000"}})
		if err != nil || wrong.URL.Path == "/account" {
			t.Errorf("%s: a wrong code leads to %s: %v", name, wrong.URL, err)
		}
		page, err = b.Submit(page, "otp-form", "otp-submit", url.Values{"otp": {totp(t, key, time.Now())}})
		if err != nil || page.URL.Path != "/account" {
			t.Errorf("%s: the app's code leads to %s: %v", name, page.URL, err)
		}
	}
	enters(t, p, "three", "lètmein", true)
}

// TestImportOptions: what stands against an import as a whole.
func TestImportOptions(t *testing.T) {
	c := setup(databases["sqlite"](t))
	c.Connectors = []valetkey.Connector{{Name: "google", Kind: "google", ClientID: "id", ClientSecret: "secret"}}
	admin := harness.Start(t, c).Admin()
	users := `{"username":"root","admin":true,"groups":["staff"],"email":"root@x.example"}`
	for name, tt := range map[string]struct {
		o    valetkey.ImportOptions
		want string
	}{
		"a connector that isn't there": {valetkey.ImportOptions{Format: "jsonl", Connectors: map[string]valetkey.ImportConnector{"g": {Name: "goog", Issuer: "i"}}}, `no connector is named "goog"`},
		"a connector without issuer":   {valetkey.ImportOptions{Format: "jsonl", Connectors: map[string]valetkey.ImportConnector{"g": {Name: "google"}}}, "name and issuer are needed"},
		"a format that isn't there":    {valetkey.ImportOptions{Format: "csv"}, `format "csv" is none of`},
	} {
		if r, err := admin.ImportUsers(t.Context(), strings.NewReader(users), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) || r.Created != 0 {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := admin.ImportUsers(ctx, strings.NewReader(users), valetkey.ImportOptions{Format: "jsonl"}); !errors.Is(err, context.Canceled) || r.Created != 0 {
		t.Errorf("cancelled: %v, %+v", err, r)
	}
	r, err := admin.ImportUsers(t.Context(), strings.NewReader(users), valetkey.ImportOptions{
		Format: "jsonl", Connectors: map[string]valetkey.ImportConnector{"g": {Name: "google", Issuer: valetkey.KnownIssuer("google")}},
	})
	if err != nil || r.Created != 1 || r.Admins != 1 || r.Groups["staff"] != 1 {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestImportMany: thousands, while people sign in; on both databases.
func TestImportMany(t *testing.T) {
	const many = 2000
	var file strings.Builder
	for i := range many {
		fmt.Fprintf(&file, `{"username":"user%d","email":"user%d@x.example","email_verified":true,"password_hash":"{SSHA}FS2N8g7PyU9jcWpsFeOAhz5JsCtFSGlt","created_at":"2020-01-01T00:00:00Z"}`+"\n", i, i)
	}
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			srv := harness.Start(t, setup(database(t)))
			if err := harness.Populate(srv); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			began := time.Now()
			go func() {
				report, err := srv.Admin().ImportUsers(t.Context(), strings.NewReader(file.String()), valetkey.ImportOptions{Format: "jsonl"})
				if report.Created != many {
					err = errors.Join(err, fmt.Errorf("%+v", report))
				}
				done <- err
			}()
			for signedIn := 0; ; signedIn++ {
				if page, err := srv.Browser(t).SignIn("/login", "ada", harness.Password); err != nil || page.URL.Path != "/account" {
					t.Errorf("meanwhile: %v", err)
				}
				select {
				case err := <-done:
					if err != nil {
						t.Error(err)
					}
					t.Logf("%d users in %s, meanwhile %d sign-ins", many, time.Since(began).Round(time.Millisecond), signedIn+1)
					if page, err := srv.Browser(t).SignIn("/login", "user1999@x.example", "lètmein"); err != nil || page.URL.Path != "/account" {
						t.Errorf("an imported user: %v", err)
					}
					return
				default:
				}
			}
		})
	}
}
