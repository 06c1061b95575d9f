//go:build unix

package upstream

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/valetkey/valetkey/test/directory"
)

func ldapConfig(d *directory.Directory, kind string) Config {
	return Config{
		Name: "dir", Kind: kind, URL: List{d.URL}, CAFile: d.CAFile, Base: directory.Base,
		BindDN: directory.BindDN, BindPassword: directory.BindPassword, GroupBase: directory.Groups,
	}
}

func TestLDAP(t *testing.T) {
	d := directory.Start(t)
	for name, tt := range map[string]struct {
		kind   string
		change func(*Config)
		want   Identity
		groups string
	}{
		"OpenLDAP by StartTLS": {"ldap", func(c *Config) { c.GroupDepth = new(int); *c.GroupDepth = 1 }, Identity{}, "cn=admins,ou=Groups,dc=corp,dc=example level01 ring-a staff"},
		"OpenLDAP by ldaps":    {"ldap", func(c *Config) { c.URL = List{d.SecureURL}; c.GroupDepth = new(int) }, Identity{}, ""},
		"Active Directory":     {"active_directory", func(c *Config) { c.Groups = map[string]string{"staff": "employees", "level02": "deep"} }, Identity{Subject: "63696c61-2065-2020-2020-202020202020"}, "employees deep"},
		"issuer of our choice": {"ldap", func(c *Config) { c.Issuer, c.TrustEmail, c.GroupDepth = "https://dir.example", &yes, new(int) }, Identity{Issuer: "https://dir.example", EmailVerified: true}, ""},
		"as themselves": {"ldap", func(c *Config) {
			c.BindDN, c.BindPassword, c.UserDN, c.GroupDepth = "", "", "cn={username},"+directory.People, new(int)
		}, Identity{}, ""},
	} {
		c := connect(t, with(ldapConfig(d, tt.kind), tt.change))
		user := "alice"
		if name == "as themselves" {
			user = "Alice Example"
		}
		id, err := c.Password(t.Context(), user, directory.Password)
		if err != nil {
			t.Errorf("%s: %s", name, outcome(id, err))
			continue
		}
		if got := strings.Join(id.Groups, " "); got != tt.groups {
			t.Errorf("%s: groups %q", name, got)
		}
		if tt.want.Subject == "" && len(id.Subject) == 36 { // an entryUUID
			tt.want.Subject = id.Subject
		}
		if tt.want.Issuer == "" {
			tt.want.Issuer = "ldap:" + directory.Base
		}
		tt.want.Connector, tt.want.Username, tt.want.Name, tt.want.Email, tt.want.Groups = "dir", "alice", "Alice Example", "alice@corp.example", id.Groups
		tt.want.Claims = map[string]any{
			"preferred_username": "alice", "name": "Alice Example", "given_name": "Alice", "family_name": "Example", "email": "alice@corp.example",
			"email_verified": tt.want.EmailVerified, "phone_number": "+1 555 0100",
		}
		if !reflect.DeepEqual(id, tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, id, tt.want)
		}
	}
}

// Case 278: a name is a name, whatever is in it. One entry, or nobody.
func TestCase278Injection(t *testing.T) {
	d := directory.Start(t)
	search := connect(t, with(ldapConfig(d, "ldap"), func(c *Config) { c.UserFilter = "(|(uid={username})(cn={username}))" }))
	byName := connect(t, with(ldapConfig(d, "ldap"), func(c *Config) {
		c.BindDN, c.BindPassword, c.UserDN, c.GroupDepth = "", "", "cn={username},"+directory.People, new(int)
	}))
	for _, name := range []string{
		"*", "a*", "*)(uid=*", "a)(|(b=*", "alice)(uid=*", "*)(objectClass=*", "alice\x00", "\x00", `\2a`, `\61lice`, `\`, "{username}", "{dn}", "(", ")",
		"alice)(|(userPassword=*", ",", "+", `"`, `\`, "<", ">", ";", "#", "=", "alice,", "alice,ou=People", "alice+uid=bob", "\xff", strings.Repeat("a", 256), "",
		" ", "\u2028", "uid=alice," + directory.People, "twin", "cn=reader",
	} {
		for _, c := range []*Connector{search, byName} {
			got := outcome(c.Password(t.Context(), name, directory.Password))
			if !strings.HasPrefix(got, "wrong: ") {
				t.Errorf("%q: %s", name, got)
			}
		}
	}
	for _, name := range []string{directory.OddName, "jörg", "JÖRG", "ALICE"} {
		expect(t, name, outcome(search.Password(t.Context(), name, directory.Password)), "ok")
	}
	id, err := search.Password(t.Context(), directory.OddName, directory.Password)
	if err != nil || !slices.Contains(id.Groups, "staff") { // its name is in a filter there
		t.Errorf("%v %v", id.Groups, err)
	}
	expect(t, "odd by name", outcome(byName.Password(t.Context(), directory.OddName, directory.Password)), "ok")
}

// The same by looking at what is made of a value.
func TestCase278Escapes(t *testing.T) {
	for value, want := range map[string][2]string{
		"*":            {`(uid=\2a)`, `uid=*,dc=x`},
		"*)(uid=*":     {`(uid=\2a\29\28uid=\2a)`, `uid=*)(uid=*,dc=x`},
		"\x00":         {`(uid=\00)`, `uid=\00,dc=x`},
		`\2a`:          {`(uid=\5c2a)`, `uid=\\2a,dc=x`},
		`,+"\<>;`:      {`(uid=,+"\5c<>;)`, `uid=\,\+\"\\\<\>\;,dc=x`},
		"#a":           {`(uid=#a)`, `uid=\#a,dc=x`},
		" a ":          {`(uid= a )`, `uid=\ a\ ,dc=x`},
		"{username}":   {`(uid={username})`, `uid={username},dc=x`},
		"ö":            {`(uid=\c3\b6)`, `uid=ö,dc=x`},
		"a=b,dc=other": {`(uid=a=b,dc=other)`, `uid=a=b\,dc=other,dc=x`},
	} {
		values := map[string]string{holeUser: value}
		if got := template("(uid={username})").filter(values).text; got != want[0] {
			t.Errorf("%q: %s", value, got)
		}
		name := template("uid={username},dc=x").dn(values)
		if string(name) != want[1] {
			t.Errorf("%q: %s", value, name)
		}
		if parsed, err := ldap.ParseDN(string(name)); err != nil || len(parsed.RDNs) != 2 || len(parsed.RDNs[0].Attributes) != 1 || parsed.RDNs[0].Attributes[0].Value != value {
			t.Errorf("%q: %v, %v", value, parsed, err)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"*)(uid=*", `\2a`, "a\x00b", ",+\"\\<>;#= ", "{username}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		values := map[string]string{holeUser: value}
		packet, err := ldap.CompileFilter(template("(&(a=b)(uid={username}))").filter(values).text)
		if err != nil || len(packet.Children) != 2 || len(packet.Children[1].Children) != 2 || packet.Children[1].Children[1].Data.String() != value {
			t.Errorf("%q: %v", value, err)
		}
	})
}

// Every way to be refused, and what the person hears of it.
func TestLDAPPasswords(t *testing.T) {
	d := directory.Start(t)
	ad, open := connect(t, ldapConfig(d, "active_directory")), connect(t, ldapConfig(d, "ldap"))
	for name, tt := range map[string]struct {
		c              *Connector
		user, password string
		want           string
	}{
		"right":               {open, "bob", directory.Password, "ok"},
		"wrong":               {open, "bob", "wrong", "wrong: bind: result 49"},
		"case":                {open, "bob", strings.ToUpper(directory.Password), "wrong: "},
		"empty":               {open, "bob", "", "wrong: an empty"}, // the server would say yes: test/directory
		"endless":             {open, "bob", strings.Repeat("x", 2000), "wrong: an empty or endless"},
		"unknown":             {open, "nobody", directory.Password, "wrong: no entry"},
		"two of that name":    {open, "twin", directory.Password, "wrong: more than one"},
		"disabled":            {ad, "disabled", directory.Password, "wrong: the account is disabled"},
		"expired":             {open, "expired", directory.Password, "expired: "},
		"expired and wrong":   {open, "expired", "wrong", "wrong: "},
		"reset":               {open, "reset", directory.Password, "expired: the password was reset"},
		"locked":              {open, "locked", directory.Password, "wrong: the account is locked"},
		"locked and wrong":    {open, "locked", "wrong", "wrong: "},
		"AD: 525":             {ad, "code525", directory.Password, "wrong: no such user"},
		"AD: 52e":             {ad, "code52e", directory.Password, "wrong: wrong password"},
		"AD: 530":             {ad, "code530", directory.Password, "wrong: not at this hour"},
		"AD: 531":             {ad, "code531", directory.Password, "wrong: not from this computer"},
		"AD: 532":             {ad, "code532", directory.Password, "expired: the password has expired"},
		"AD: 533":             {ad, "code533", directory.Password, "wrong: the account is disabled"},
		"AD: 701":             {ad, "code701", directory.Password, "wrong: the account has expired"},
		"AD: 773":             {ad, "code773", directory.Password, "expired: the password has to be changed"},
		"AD: 775":             {ad, "code775", directory.Password, "wrong: the account is locked"},
		"AD: pwdLastSet is 0": {ad, "fresh", directory.Password, "expired: "},
		"AD: older than max":  {ad, "overdue", directory.Password, "expired: "},
		"AD: UPN":             {ad, "bob@corp.example", directory.Password, "ok"},
	} {
		got := outcome(tt.c.Password(t.Context(), tt.user, tt.password))
		expect(t, name, got, tt.want)
		if strings.Contains(got, directory.Password) || strings.Contains(got, directory.BindPassword) {
			t.Errorf("%s: a password is in %s", name, got)
		}
	}
	// What people hear is the same for all of them.
	_, err := open.Password(t.Context(), "locked", directory.Password)
	if err.Error() != ErrWrong.Error() {
		t.Errorf("%q", err)
	}
}

func TestPasswordNotices(t *testing.T) {
	d := directory.Start(t)
	c := connect(t, ldapConfig(d, "active_directory"))
	days := func(n any) []Notice { return []Notice{{"Your password expires in {0} days.", []any{n}}} }
	for user, want := range map[string][]Notice{
		"alice": nil, "never": nil, "keeps": nil, "expiring": days(3), "computed": days(3), "counted": days(5),
		"grace": {{"Your password has expired. You can sign in {0} more times before you have to change it.", []any{int64(4)}}},
	} {
		id, err := c.Password(t.Context(), user, directory.Password)
		if err != nil || !reflect.DeepEqual(id.Notices, want) {
			t.Errorf("%s: %+v, %v", user, id.Notices, Cause(err))
		}
	}
	d.Set(t, directory.DN("Computed Example"), attributeExpiry, directory.FileTime(time.Now().Add(time.Hour)))
	if id, err := c.Password(t.Context(), "computed", directory.Password); err != nil || len(id.Notices) != 1 || id.Notices[0].Key != "Your password expires today." {
		t.Errorf("%+v, %v", id.Notices, err)
	}
	d.Set(t, directory.DN("Computed Example"), attributeExpiry, directory.FileTime(time.Now().Add(15*24*time.Hour)))
	if id, err := c.Password(t.Context(), "computed", directory.Password); err != nil || id.Notices != nil {
		t.Errorf("%+v, %v", id.Notices, err)
	}
}

// Groups of groups: ten levels, rings, five hundred, and nobody else's.
func TestGroups(t *testing.T) {
	d := directory.Start(t)
	levels := func(c Config) []string {
		id, err := connect(t, c).Password(t.Context(), "alice", directory.Password)
		if err != nil {
			t.Fatal(Cause(err))
		}
		slices.Sort(id.Groups)
		return id.Groups
	}
	all := append([]string{"cn=admins,ou=Groups,dc=corp,dc=example"}, strings.Fields(
		"level01 level02 level03 level04 level05 level06 level07 level08 level09 level10 ring-a ring-b staff")...)
	for name, change := range map[string]func(*Config){
		"by memberOf":       func(c *Config) { c.Kind = "active_directory" },
		"by search":         func(c *Config) {},
		"by another search": func(c *Config) { c.GroupFilter = "(&(objectClass=group)(member={dn}))" },
	} {
		if got := levels(with(ldapConfig(d, "ldap"), change)); !reflect.DeepEqual(got, all) {
			t.Errorf("%s: %v", name, got)
		}
	}
	// A short name can be had by anybody who may make groups somewhere, and
	// one that looks like a whole name too. The whole name can't.
	imitated := with(ldapConfig(d, "ldap"), func(c *Config) {
		c.GroupBase = ""
		c.Groups = map[string]string{"CN=Admins, " + directory.Groups: "root", directory.GroupDN("admins"): "root", "staff": "employees"}
	})
	if got := levels(imitated); !reflect.DeepEqual(got, []string{"employees"}) {
		t.Errorf("imitated: %v", got)
	}
	if id, err := connect(t, imitated).Password(t.Context(), "bob", directory.Password); err != nil || !slices.Contains(id.Groups, "root") {
		t.Errorf("bob: %v, %v", id.Groups, err)
	}
	var log bytes.Buffer
	for _, kind := range []string{"ldap", "active_directory"} {
		r := registry(t, Environment{Log: slog.New(slog.NewTextHandler(&log, nil))}, ldapConfig(d, kind))
		id, err := r.List()[0].Password(t.Context(), "joiner", directory.Password)
		if err != nil || len(id.Groups) != maxGroups {
			t.Errorf("%s: %d groups, %v", kind, len(id.Groups), Cause(err))
		}
	}
	if n := strings.Count(log.String(), "groups were cut"); n != 2 {
		t.Errorf("%d warnings: %s", n, log.String())
	}
}

// A second server stands in for the first, and is asked first from then on.
func TestFailover(t *testing.T) {
	d := directory.Start(t)
	c := connect(t, with(ldapConfig(d, "ldap"), func(c *Config) { c.URL = List{"ldaps://127.0.0.1:1", "ldap://127.0.0.1:1", d.SecureURL} }))
	expect(t, "failover", outcome(c.Password(t.Context(), "alice", directory.Password)), "ok")
	expect(t, "wrong", outcome(c.Password(t.Context(), "alice", "wrong")), "wrong: ")
	down := connect(t, with(ldapConfig(d, "ldap"), func(c *Config) { c.URL = List{"ldaps://127.0.0.1:1", "ldap://127.0.0.1:1"} }))
	expect(t, "all down", outcome(down.Password(t.Context(), "alice", directory.Password)), "unavailable: ldaps://127.0.0.1:1", "ldap://127.0.0.1:1", "refused")
	service := connect(t, with(ldapConfig(d, "ldap"), func(c *Config) { c.BindPassword = "wrong" }))
	expect(t, "bind_dn", outcome(service.Password(t.Context(), "alice", directory.Password)), "unavailable: as bind_dn: ")
	nowhere := connect(t, with(ldapConfig(d, "ldap"), func(c *Config) { c.Base = "dc=nowhere" }))
	expect(t, "base", outcome(nowhere.Password(t.Context(), "alice", directory.Password)), "wrong: no entry")
}

// Case 273 for directories: each gets their own entry.
func TestCase273Passwords(t *testing.T) {
	d := directory.Start(t)
	c := connect(t, with(ldapConfig(d, "ldap"), func(c *Config) { c.GroupDepth = new(int) }))
	var wg sync.WaitGroup
	for range 50 {
		for _, user := range []string{"alice", "bob", "never"} {
			wg.Go(func() {
				id, err := c.Password(t.Context(), user, directory.Password)
				if err != nil || id.Username != user {
					t.Errorf("%s: %s, %v", user, id.Username, Cause(err))
				}
			})
			wg.Go(func() {
				if _, err := c.Password(t.Context(), user, "wrong"); !errors.Is(err, ErrWrong) {
					t.Errorf("%s: %v", user, Cause(err))
				}
			})
		}
	}
	wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	expect(t, "given up", outcome(c.Password(ctx, "alice", directory.Password)), "unavailable: ")
}
