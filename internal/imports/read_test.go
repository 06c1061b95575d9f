package imports

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestLines: where rows stand, whatever is between them.
func TestLines(t *testing.T) {
	long := `{"username":"` + strings.Repeat("a", 2*maxRow) + `"}`
	users, errs := outcome(t, JSONLines, "\xef\xbb\xbf\r\n{\"username\":\"a\"}\r\n\n  \n"+long+"\n{\"username\":\"b\"}\n"+long)
	if len(users) != 2 || users[0].Line != 2 || users[1].Line != 6 || users[1].Record != 3 {
		t.Errorf("%+v", users)
	}
	if len(errs) != 2 || errs[0] != "line 5: it is longer than 1 MiB" || errs[1] != "line 7: it is longer than 1 MiB" {
		t.Errorf("%q", errs)
	}
	if users, errs := outcome(t, JSONLines, ""); users != nil || errs != nil {
		t.Errorf("of nothing: %v %v", users, errs)
	}
}

// TestDocument: the users are found wherever the rest of the document stands.
func TestDocument(t *testing.T) {
	for name, tt := range map[string]struct{ file, users, err string }{
		"first":        {`{"users":[{"username":"a"},{"username":"b"}],"realm":"r"}`, "1:a 1:b", ""},
		"last":         {"\xef\xbb\xbf{\"realm\": \"}{\\\"users\\\":[\", \"clients\":[{\"users\":[{\"username\":\"x\"}]}],\n\"n\":-1.5e3,\"t\":true,\"z\":null,\n\"users\" : [ {\"username\":\"a\"}\n ,\n {\"username\":\n\"b\"} ] } \n", "3:a 5:b", ""},
		"empty list":   {`{"users":[]}`, "", ""},
		"a row is bad": {`{"users":[1,"x",null,{"username":"a"}]}`, "1:a", "line 1: it is no JSON object|line 1: it is no JSON object|line 1: it is no JSON object"},
		"too long":     {`{"users":[{"username":"` + strings.Repeat(`\"]}`, maxRow/3) + `"},{"username":"a"}]}`, "1:a", "line 1: it is longer than 1 MiB"},
		"a long name":  {`{"` + strings.Repeat("x", 5000) + `":1,"users":[{"username":"a"}]}`, "1:a", ""},
		"no users":     {`{"realm":"r"}`, "", `there is no "users" in this file`},
		"nothing":      {``, "", "the file is empty"},
		"a list":       {`[{"users":[]}]`, "", `the file is a list; what is wanted is one object with "users" in it: export one realm by itself`},
		"a string":     {`"users"`, "", "line 1: this is no JSON document: an object was expected"},
		"no list":      {`{"users":{}}`, "", `line 1: this is no JSON document: "users" is no list`},
		"twice":        {`{"users":[{"username":"a"}],"users":[{"username":"b"}]}`, "1:a", `line 1: this is no JSON document: "users" comes twice`},
		"cut":          {`{"users":[{"username":"a"},{"user`, "1:a", "line 1: this is no JSON document: the file ends early"},
		"cut behind":   {`{"users":[{"username":"a"}]`, "1:a", "line 1: this is no JSON document: the file ends early"},
		"more behind":  {`{"users":[{"username":"a"}]}}`, "1:a", "line 1: this is no JSON document: nothing was expected after the object"},
		"no comma":     {`{"users":[{"username":"a"}{"username":"b"}]}`, "1:a", "line 1: this is no JSON document: a comma was expected"},
		"a comma more": {`{"users":[{"username":"a"},]}`, "1:a", "line 1: this is no JSON document: a value was expected"},
		"no colon":     {`{"users"[]}`, "", "line 1: this is no JSON document: a colon was expected"},
	} {
		t.Run(name, func(t *testing.T) {
			users, errs := outcome(t, Keycloak, tt.file)
			var got []string
			for _, u := range users {
				got = append(got, fmt.Sprintf("%d:%s", u.Line, u.Username))
			}
			if strings.Join(got, " ") != tt.users || strings.Join(errs, "|") != tt.err {
				t.Errorf("%q, %q", got, errs)
			}
		})
	}
}

// TestBrokenOff: what a disk or a pipe says is told, and ends it.
func TestBrokenOff(t *testing.T) {
	fault := errors.New("the pipe broke")
	for format, begin := range map[Format]string{JSONLines: `{"username":"a"}` + "\n" + `{"user`, Keycloak: `{"users":[{"username":"a"},{"user`} {
		n, last := 0, error(nil)
		for _, err := range Read(io.MultiReader(strings.NewReader(begin), iotest.ErrReader(fault)), format, Options{}) {
			n, last = n+1, err
		}
		if n != 2 || !errors.Is(last, fault) {
			t.Errorf("%s: %d rows, %v", format, n, last)
		}
	}
	for _, err := range Read(strings.NewReader(""), "csv", Options{}) {
		if err == nil {
			t.Error("a format that there isn't")
		}
	}
}

// FuzzSources: whatever a file has, every source ends, keeps to its bounds and
// takes no user without a name to sign in with.
func FuzzSources(f *testing.F) {
	f.Add(uint8(0), `{"username":"ada","email":"a@x.example","email_verified":true,"claims":{"address":{"country":"UK"}},"password_hash":"`+bcryptHash+`","groups":["a"],"created_at":"2020-09-13T14:26:40+02:00","identities":[{"issuer":"i","subject":1,"connector":"c"}]}`+"\n\n[]")
	f.Add(uint8(1), keycloakUser(`"username":"a","createdTimestamp":1600000000000,"attributes":{"street":["x"]},"groups":["/a"],"federatedIdentities":[{"identityProvider":"google","userId":"1"}],"credentials":[`+credential("argon2", 5, argonHash, argonMore)+`]`))
	f.Add(uint8(1), "{\"a\":[{\"b\":\"\\\"]\"}],\n\"users\":[{},-1.5e3,null ,\"x\"]}")
	f.Add(uint8(2), `{"user_id":"auth0|1","email":"a@x.example","custom_password_hash":{"algorithm":"scrypt","cost":1024,"blockSize":8,"parallelization":1,"hash":{"value":"eA==","encoding":"base64"},"salt":{"value":"y"}},"identities":[{"provider":"google-oauth2","user_id":5}]}`)
	f.Add(uint8(2), `{"_id":{"$oid":"5"},"identifiers":[{"type":"email","value":"a@x.example","verified":true}],"passwordHash":"`+bcryptHash+`","created_at":{"$date":"2020-09-13T12:26:40Z"}}`)
	f.Add(uint8(3), `{"users":[{"localId":"1","email":"a@x.example","passwordHash":"lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==","salt":"42xEC+ixf3L2lw==","createdAt":"1600000000000","providerUserInfo":[{"providerId":"google.com","rawId":"5"}]}]}`)
	f.Fuzz(func(t *testing.T, format uint8, file string) {
		formats, n := Formats(), 0
		for u, err := range Read(strings.NewReader(file), formats[int(format)%len(formats)], options(t)) {
			if n++; n > len(file)+1 {
				t.Fatal("more rows than bytes")
			}
			if bad := new(RowError); errors.As(err, &bad) && (bad.Line < 1 || bad.Record != n || bad.Why == "") {
				t.Errorf("%+v", bad)
			}
			if err == nil {
				fits(t, u, n)
			}
		}
	})
}

func fits(t *testing.T, u User, n int) {
	t.Helper()
	if u.Record != n || u.Line < 1 || u.Username == "" && u.Skip == "" || u.EmailVerified && u.Email == "" || len(u.Groups) > maxGroups {
		t.Errorf("%+v", u)
	}
	if (u.Hash == "") != (u.HashKind == "") && u.Skip == "" {
		t.Errorf("hash %q of kind %q", u.Hash, u.HashKind)
	}
	for _, i := range u.Identities {
		if i.Issuer == "" || i.Subject == "" || i.Connector == "" {
			t.Errorf("%+v", i)
		}
	}
}
