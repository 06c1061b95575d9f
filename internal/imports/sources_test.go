package imports

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
)

// The hashes are of "lètmein": bcrypt by Python's bcrypt 4.0, Keycloak's as its
// Pbkdf2PasswordHashProvider and Argon2PasswordHashProvider make them, computed by
// Python's hashlib and argon2-cffi 25.1, Auth0's scrypt by hashlib. Firebase's is
// of github.com/firebase/scrypt's README, of "user1password".
const (
	bcryptHash = "$2b$05$Qusn8QaFAleBZfZxBoQbpOszFVbshksdeQVdQhPxdYIZwvH5R0HdG"
	salt16     = "AAECAwQFBgcICQoLDA0ODw=="
	sha1Hash   = "XHQoPJTb2TWsvnFTgPL72iRQcqCBASVGsk3b0BcPshi846xKRyAI2YWo1YZq2QCpeTUDfiOUChixz/NgZkawvg=="
	sha256Hash = "Zln/ZE4k41bQzrIB1tzW7cPAhg+w9844Gj4ua+E91V2xiZFnkiueDXgBzWBarioCwIKVTOPzMTQ8SiRH3EAMoQ=="
	sha512Hash = "S5sGGht2CDwSiYHXqqaGLcpFfJeneWTvsUCswq/gomJQj89oIqfgT0EZ08Q34AOU0w5giyvpBOpWMo/cUJUDwQ=="
	argonHash  = "4EiBugwYBjrz+cEnj0OsMm1cS5d5S/ne9zHfiT+g9Mc="

	firebaseConfig = `hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}`
)

// credential is a password as Keycloak exports it.
func credential(algorithm string, iterations int, value, more string) string {
	return fmt.Sprintf(`{"id":"c","type":"password","createdDate":1600000000000,"secretData":%q,"credentialData":%q}`,
		`{"value":"`+value+`","salt":"`+salt16+`","additionalParameters":{}}`,
		fmt.Sprintf(`{"hashIterations":%d,"algorithm":"%s","additionalParameters":{%s}}`, iterations, algorithm, more))
}

const argonMore = `"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]`

func keycloakUser(members string) string { return `{"realm":"r","users":[{` + members + `}]}` }

func options(t testing.TB) Options {
	t.Helper()
	key, err := ParseFirebaseKey(firebaseConfig)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Firebase: key, Connectors: map[string]Connector{
		"google": {"goog", googleIssuer}, "google-oauth2": {"goog", googleIssuer}, "google.com": {"goog", googleIssuer},
	}}
}

// outcome reads a file: its users, and the words of its errors.
func outcome(t testing.TB, format Format, file string) (users []User, errs []string) {
	t.Helper()
	for u, err := range Read(strings.NewReader(file), format, options(t)) {
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		users = append(users, u)
	}
	return users, errs
}

// TestPeople: what each source makes of somebody with everything.
func TestPeople(t *testing.T) {
	at := time.Date(2020, 9, 13, 12, 26, 40, 0, time.UTC)
	google := func(subject, label string) []Identity {
		return []Identity{{Issuer: googleIssuer, Subject: subject, Connector: "goog", Label: label}}
	}
	for name, tt := range map[string]struct {
		format Format
		file   string
		want   User
	}{
		"ours": {JSONLines, `{"username":"ada","email":"ada@x.example","email_verified":true,"name":"Ada Lovelace","claims":{"given_name":"Ada","address":{"country":"UK"}},
			"password_hash":"` + bcryptHash + `","groups":["staff","staff","admins"],"admin":true,"disabled":true,"must_change":true,"created_at":"2020-09-13T14:26:40+02:00",
			"identities":[{"issuer":"https://accounts.google.com","subject":"1","connector":"goog"}],"totp_secret":"GEZDGNBVGY3TQOJQ"}`, User{
			Username: "ada", Email: "ada@x.example", EmailVerified: true, Name: "Ada Lovelace", Claims: map[string]any{"given_name": "Ada", "address": map[string]any{"country": "UK"}},
			Hash: bcryptHash, HashKind: "bcrypt", Groups: []string{"admins", "staff"}, Admin: true, Disabled: true, MustChange: true, CreatedAt: at,
			Identities: google("1", "ada"), TOTPs: []TOTP{{Key: []byte("1234567890")}},
		}},
		"ours, the least": {JSONLines, `{"email":"ada@x.example","email_verified":null}`, User{Username: "ada@x.example", Email: "ada@x.example"}},
		"Keycloak": {Keycloak, keycloakUser(`"id":"f1","username":"ada","email":"ada@x.example","emailVerified":true,"firstName":"Ada","lastName":"Lovelace","enabled":false,
			"createdTimestamp":1600000000000,"totp":true,"attributes":{"locale":["en"],"department":["maths"],"phoneNumber":["+44 1"],"phoneNumberVerified":["true"],"street":["St James's Square"],"country":["UK"],"x":[]},
			"credentials":[` + credential("pbkdf2-sha256", 27500, sha256Hash, "") + `,{"type":"otp","secretData":"{}","credentialData":"{\"subType\":\"hotp\"}"}],
			"requiredActions":["UPDATE_PASSWORD","TERMS"],"realmRoles":["default-roles-r","editor"],"clientRoles":{"app":["a"]},"groups":["/staff","/staff/maths"],
			"federatedIdentities":[{"identityProvider":"google","userId":"1","userName":"ada@gmail.example"},{"identityProvider":"corp","userId":"2","userName":"ada"}],"notBefore":0`), User{
			Username: "ada", Email: "ada@x.example", EmailVerified: true, Name: "Ada Lovelace", Disabled: true, MustChange: true, CreatedAt: at,
			Claims: map[string]any{
				"given_name": "Ada", "family_name": "Lovelace", "locale": "en", "phone_number": "+44 1", "phone_number_verified": true,
				"address": map[string]any{"street_address": "St James's Square", "country": "UK"},
			},
			Hash: "$pbkdf2-sha256$i=27500,l=64$" + strings.TrimRight(salt16, "=") + "$" + strings.TrimRight(sha256Hash, "="), HashKind: "pbkdf2-sha256",
			Groups: []string{"staff", "staff/maths"}, Identities: google("1", "ada@gmail.example"),
			Left: []string{
				"account at corp, for which there is no --connector", "attribute department", "realm role editor", "required action TERMS",
				"roles at clients", "second factor (otp: hotp)",
			},
		}},
		"Keycloak, a service": {Keycloak, keycloakUser(`"username":"service-account-app","enabled":true,"serviceAccountClientId":"app"`), User{
			Username: "service-account-app", Skip: "the account of a service, not of a person",
		}},
		"Auth0": {Auth0, `{"user_id":"auth0|5f","email":"ada@x.example","email_verified":true,"username":"ada","name":"ada@x.example","given_name":"Ada","nickname":"ada","picture":"https://x.example/a.png",
			"blocked":true,"created_at":"2020-09-13T12:26:40Z","passwordHash":"` + bcryptHash + `","user_metadata":{"colour":"red"},"app_metadata":{},"multifactor":["guardian"],
			"identities":[{"user_id":"5f","provider":"auth0","connection":"Username-Password-Authentication","isSocial":false},{"user_id":1234,"provider":"google-oauth2","connection":"google-oauth2","isSocial":true},{"user_id":"9","provider":"samlp","connection":"corp"}]}`, User{
			Username: "ada", Email: "ada@x.example", EmailVerified: true, Disabled: true, CreatedAt: at, Hash: bcryptHash, HashKind: "bcrypt",
			Claims:     map[string]any{"given_name": "Ada", "nickname": "ada", "picture": "https://x.example/a.png"},
			Identities: google("1234", "ada@x.example"),
			Left:       []string{"account at samlp, for which there is no --connector", "second factor", "user_metadata"},
		}},
		"Auth0's file of hashes": {Auth0, `{"_id":{"$oid":"5dea9f9c82dd7c0e76e4ec93"},"identifiers":[{"type":"email","value":"ada@x.example","verified":true}],"passwordHash":"` + bcryptHash + `",
			"password_set_date":{"$date":"2019-12-06T18:36:12.412Z"},"created_at":{"$date":"2020-09-13T12:26:40Z"},"tenant":"t","connection":"db","_tmp_is_unique":true}`, User{
			Username: "ada@x.example", Email: "ada@x.example", EmailVerified: true, CreatedAt: at, Hash: bcryptHash, HashKind: "bcrypt",
		}},
		"Auth0, only another provider": {Auth0, `{"user_id":"google-oauth2|7","identities":[{"user_id":"7","provider":"google-oauth2"}]}`, User{
			Username: "google-oauth2-7", Identities: google("7", "google-oauth2-7"),
		}},
		"Firebase": {Firebase, `{"users":[{"localId":"u1","email":"user1@x.example","emailVerified":true,"displayName":"One","photoUrl":"https://x.example/1.png","createdAt":"1600000000000","lastSignedInAt":"1600000000001",
			"passwordHash":"lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ==","salt":"42xEC-ixf3L2lw==","disabled":true,"customAttributes":"{}","phoneNumber":"+1",
			"providerUserInfo":[{"providerId":"password"},{"providerId":"phone","rawId":"+1"},{"providerId":"google.com","rawId":"5","email":"one@gmail.example"}]}]}`, User{
			Username: "user1@x.example", Email: "user1@x.example", EmailVerified: true, Name: "One", Disabled: true, CreatedAt: at, HashKind: "firebase-scrypt",
			Claims: map[string]any{"picture": "https://x.example/1.png", "phone_number": "+1"}, Identities: google("5", "one@gmail.example"),
			Left: []string{"custom claims", "sign-in by phone"},
		}},
		"Firebase, anonymous": {Firebase, `{"users":[{"localId":"u1","createdAt":"1600000000000"}]}`, User{CreatedAt: at, Skip: "anonymous"}},
		"Firebase, only another provider": {Firebase, `{"users":[{"localId":"u1","providerUserInfo":[{"providerId":"google.com","rawId":"5"}]}]}`, User{
			Username: "u1", Identities: google("5", "u1"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			file := tt.file
			if tt.format == JSONLines || tt.format == Auth0 {
				file = strings.NewReplacer("\n", "", "\t", "").Replace(file)
			}
			users, errs := outcome(t, tt.format, file)
			if len(users) != 1 || errs != nil {
				t.Fatalf("%d users, %q", len(users), errs)
			}
			got := users[0]
			if got.Line != 1 || got.Record != 1 {
				t.Errorf("line %d, record %d", got.Line, got.Record)
			}
			if got.Line, got.Record = 0, 0; got.HashKind == "firebase-scrypt" {
				verify(t, got.Hash, "user1password")
				got.Hash = ""
			} else if got.Hash != "" {
				verify(t, got.Hash, "lètmein")
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

var hasher = secret.NewHasher(0, 0, 0)

func verify(t testing.TB, hash, password string) {
	t.Helper()
	for given, want := range map[string]bool{password: true, password + "x": false} {
		if ok, err := hasher.Verify(t.Context(), "", given, hash); ok != want || err != nil {
			t.Errorf("%s: %v, %v", given, ok, err)
		}
	}
}

// TestHashes: the hashes that a source writes in a way of its own.
func TestHashes(t *testing.T) {
	auth0 := func(custom string) string { return `{"username":"ada","custom_password_hash":` + custom + `}` }
	scrypt := `"algorithm":"scrypt","keylen":32,"cost":1024,"blockSize":8,"parallelization":2`
	key, err := base64.RawStdEncoding.DecodeString("J9afm8odvnsM8XGnaD9+/YXH1dQjECMs48e3iGIKxy4")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		format     Format
		file, kind string
	}{
		"Keycloak, pbkdf2":        {Keycloak, keycloakUser(`"username":"a","credentials":[` + credential("pbkdf2", 20000, sha1Hash, "") + `]`), "pbkdf2-sha1"},
		"Keycloak, pbkdf2-sha256": {Keycloak, keycloakUser(`"username":"a","credentials":[` + credential("pbkdf2-sha256", 27500, sha256Hash, "") + `]`), "pbkdf2-sha256"},
		"Keycloak, pbkdf2-sha512": {Keycloak, keycloakUser(`"username":"a","credentials":[` + credential("pbkdf2-sha512", 30000, sha512Hash, "") + `]`), "pbkdf2-sha512"},
		"Keycloak, argon2":        {Keycloak, keycloakUser(`"username":"a","credentials":[` + credential("argon2", 5, argonHash, argonMore) + `]`), "argon2id"},
		"Auth0, password_hash":    {Auth0, `{"username":"ada","password_hash":"` + bcryptHash + `"}`, "bcrypt"},
		"Auth0, bcrypt":           {Auth0, auth0(`{"algorithm":"bcrypt","hash":{"value":"` + bcryptHash + `"}}`), "bcrypt"},
		"Auth0, ldap":             {Auth0, auth0(`{"algorithm":"ldap","hash":{"value":"{SSHA}FS2N8g7PyU9jcWpsFeOAhz5JsCtFSGlt","encoding":"utf8"}}`), "ssha"},
		"Auth0, pbkdf2":           {Auth0, auth0(`{"algorithm":"pbkdf2","hash":{"value":"$pbkdf2-sha256$i=5000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$fJEcWuccH0BVkSkMljrLYpzXxaOK7B6a1/aMmxWB1ZA"}}`), "pbkdf2-sha256"},
		"Auth0, argon2":           {Auth0, auth0(`{"algorithm":"argon2","hash":{"value":"$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$q2hzsk7+ZxC/yFtzqI+GdufJXj9TagFBAAuVPKj/gUU"}}`), "argon2i"},
		"Auth0, scrypt in hex":    {Auth0, auth0(fmt.Sprintf(`{%s,"hash":{"value":"%x","encoding":"hex"},"salt":{"value":"NaCl4567"}}`, scrypt, key)), "scrypt"},
		"Auth0, scrypt in base64": {Auth0, auth0(fmt.Sprintf(`{%s,"hash":{"value":"%s","encoding":"base64"},"salt":{"value":"4e61436c34353637","encoding":"hex"}}`, scrypt, base64.StdEncoding.EncodeToString(key))), "scrypt"},
	} {
		t.Run(name, func(t *testing.T) {
			users, errs := outcome(t, tt.format, tt.file)
			if len(users) != 1 || errs != nil || users[0].HashKind != tt.kind {
				t.Fatalf("%+v, %q", users, errs)
			}
			verify(t, users[0].Hash, "lètmein")
		})
	}
}

// TestRows: what is wrong with a row, in words; the row after it is read.
func TestRows(t *testing.T) {
	custom := func(s string) string { return `{"username":"ada","custom_password_hash":` + s + `}` }
	secretData := func(s string) string {
		return keycloakUser(fmt.Sprintf(`"username":"a","credentials":[{"type":"password","credentialData":"{\"hashIterations\":1,\"algorithm\":\"pbkdf2\"}","secretData":%q}]`, s))
	}
	for name, tt := range map[string]struct {
		format     Format
		file, want string
	}{
		"no JSON":               {JSONLines, `username=ada`, "line 1: it is no JSON object"},
		"a list":                {JSONLines, `[]`, "line 1: it is no JSON object"},
		"cut":                   {JSONLines, `{"username":"ada"`, "line 1: it is no JSON object in which every name comes once"},
		"twice":                 {JSONLines, `{"username":"ada","username":"bob"}`, "line 1: it is no JSON object in which every name comes once"},
		"twice, escaped":        {JSONLines, `{"username":"ada","user\u006eame":"bob"}`, "line 1: it is no JSON object in which every name comes once"},
		"twice, inside":         {JSONLines, `{"username":"ada","claims":{"address":{"country":"UK","country":"FR"}}}`, "line 1: claims: it must be an object of standard claims in which every name comes once"},
		"two values":            {JSONLines, `{"username":"ada"}{"username":"bob"}`, "line 1: it is no JSON object in which every name comes once"},
		"not UTF-8":             {JSONLines, "{\"username\":\"ad\xe4\"}", "line 1: it is not UTF-8"},
		"UTF-16":                {JSONLines, "\xff\xfe{\x00}\x00", "line 1: it is not UTF-8"},
		"too long":              {JSONLines, `{"username":"` + strings.Repeat("a", maxRow) + `"}`, "line 1: it is longer than 1 MiB"},
		"a mistyped field":      {JSONLines, `{"usrname":"ada"}`, "line 1: usrname: there is no such field"},
		"a value for a name":    {JSONLines, `{"` + bcryptHash + `":"ada"}`, "line 1: a field: there is no such field"},
		"another case":          {JSONLines, `{"Username":"ada"}`, "line 1: Username: there is no such field"},
		"a password":            {JSONLines, `{"username":"ada","password":"hunter2"}`, "line 1: password: passwords themselves are not taken"},
		"no name":               {JSONLines, `{"name":"Ada"}`, "line 1: username: there is neither"},
		"another type":          {JSONLines, `{"username":"ada","email_verified":"yes"}`, "line 1: email_verified: it must be true or false"},
		"a number":              {JSONLines, `{"username":1}`, "line 1: username: it must be a string"},
		"a date":                {JSONLines, `{"username":"ada","created_at":"1.1.2020"}`, "line 1: created_at: it must be a time such as"},
		"a claim beside":        {JSONLines, `{"username":"ada","claims":{"email":"a@x.example"}}`, "line 1: claims.email: it stands beside claims"},
		"an identity":           {JSONLines, `{"username":"ada","identities":[{"issuer":"https://x.example","subject":"1"}]}`, "line 1: identities[0].connector: it is missing"},
		"an identity's field":   {JSONLines, `{"username":"ada","identities":[{"issuer":"https://x.example","subject":"1","connector":"x","sub":"1"}]}`, "line 1: identities[0].sub: there is no such field"},
		"one identity twice":    {JSONLines, `{"username":"ada","identities":[{"issuer":"i","subject":"1","connector":"x"},{"issuer":"i","subject":"1","connector":"y"}]}`, "line 1: identities: one stands there twice"},
		"a group":               {JSONLines, `{"username":"ada","groups":["a\nb"]}`, "line 1: groups: there may be 200"},
		"a hash":                {JSONLines, `{"username":"ada","password_hash":"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="}`, "line 1: password_hash: {SHA} is not taken"},
		"a costly hash":         {JSONLines, `{"username":"ada","password_hash":"$scrypt$ln=30,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg"}`, "line 1: password_hash: scrypt cost is out of bounds"},
		"Keycloak: algorithm":   {Keycloak, keycloakUser(`"username":"a","credentials":[` + credential("md5", 1, sha1Hash, "") + `]`), "line 1: credentials[0].credentialData.algorithm: it must be one of"},
		"Keycloak: argon2 1.0":  {Keycloak, keycloakUser(`"username":"a","credentials":[` + credential("argon2", 5, argonHash, strings.Replace(argonMore, "1.3", "1.0", 1)) + `]`), "line 1: credentials[0].credentialData.additionalParameters.version: it must be 1.3"},
		"Keycloak: argon2d":     {Keycloak, keycloakUser(`"username":"a","credentials":[` + credential("argon2", 5, argonHash, strings.Replace(argonMore, `"id"`, `"d"`, 1)) + `]`), "line 1: credentials: argon2d can't be verified here"},
		"Keycloak: no numbers":  {Keycloak, keycloakUser(`"username":"a","credentials":[` + credential("argon2", 5, argonHash, "") + `]`), "line 1: credentials[0].credentialData.additionalParameters.version: it must be a list of one value"},
		"Keycloak: iterations":  {Keycloak, keycloakUser(`"username":"a","credentials":[` + credential("pbkdf2", 99999999, sha1Hash, "") + `]`), "line 1: credentials: PBKDF2's iterations are out of bounds"},
		"Keycloak: secretData":  {Keycloak, secretData("x"), "line 1: credentials[0].secretData: it must be a JSON object in a string"},
		"Keycloak: twice there": {Keycloak, secretData(`{"value":"a","value":"b"}`), "line 1: credentials[0].secretData: it must be a JSON object in a string"},
		"Keycloak: base64":      {Keycloak, secretData(`{"value":"*","salt":""}`), "line 1: credentials[0].secretData.value: it must be base64"},
		"Keycloak: old":         {Keycloak, keycloakUser(`"username":"a","credentials":[{"type":"password","hashedSaltedValue":"x"}]`), "line 1: credentials[0].credentialData: it is missing; export from Keycloak 8 or later"},
		"Keycloak: attributes":  {Keycloak, keycloakUser(`"username":"a","attributes":{"a":"b"}`), "line 1: attributes.a: it must be a list of strings"},
		"Auth0: two hashes":     {Auth0, `{"username":"ada","passwordHash":"x","password_hash":"y"}`, "line 1: password_hash: there is more than one"},
		"Auth0: md5":            {Auth0, custom(`{"algorithm":"md5","hash":{"value":"x"}}`), "line 1: custom_password_hash.algorithm: it must be one of"},
		"Auth0: no hash":        {Auth0, custom(`{"algorithm":"md5"}`), "line 1: custom_password_hash.hash: it is missing"},
		"Auth0: cost":           {Auth0, custom(`{"algorithm":"scrypt","cost":1000,"hash":{"value":"x"},"salt":{"value":"y"}}`), "line 1: custom_password_hash.cost: it must be a power of two"},
		"Auth0: encoding":       {Auth0, custom(`{"algorithm":"scrypt","cost":1024,"blockSize":8,"parallelization":1,"hash":{"value":"x","encoding":"hex"},"salt":{"value":"y"}}`), "line 1: custom_password_hash.hash.value: it isn't in its encoding"},
		"Auth0: nobody":         {Auth0, `{"user_id":"sms|1"}`, "line 1: username: there is neither"},
		"Firebase: key":         {Firebase, `{"users":[{"email":"a@x.example","passwordHash":"AAAA","salt":"AAAAAAAA"}]}`, "line 1: passwordHash: it isn't as long as the signer key"},
		"Firebase: by phone":    {Firebase, `{"users":[{"localId":"1","phoneNumber":"+1","providerUserInfo":[{"providerId":"phone"}]}]}`, "line 1: username: there is neither"},
		"Firebase: createdAt":   {Firebase, `{"users":[{"email":"a@x.example","createdAt":"soon"}]}`, "line 1: createdAt: it must be a number of milliseconds"},
	} {
		t.Run(name, func(t *testing.T) {
			file, good := tt.file, `{"username":"next","localId":"2","email":"next@x.example"}`
			if tt.format == Keycloak || tt.format == Firebase {
				file = strings.TrimSuffix(file, "]}") + "," + good + "]}"
			} else {
				file += "\n" + `{"username":"next"}`
			}
			users, errs := outcome(t, tt.format, file)
			if len(errs) != 1 || !strings.HasPrefix(errs[0], tt.want) {
				t.Errorf("%q, wanted %q", errs, tt.want)
			}
			if len(users) != 1 || users[0].Record != 2 || !strings.HasPrefix(users[0].Username, "next") {
				t.Errorf("the next: %+v", users)
			}
		})
	}
}

func TestFirebaseKey(t *testing.T) {
	if _, err := ParseFirebaseKey(strings.ReplaceAll(firebaseConfig, "\n", "\r\n")); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"nothing":         "",
		"no key":          strings.Replace(firebaseConfig, "base64_signer_key", "key", 1),
		"no base64":       strings.Replace(firebaseConfig, "jxspr8Ki0R", "=", 1),
		"twice":           firebaseConfig + "\n" + firebaseConfig,
		"another":         strings.Replace(firebaseConfig, "SCRYPT", "BCRYPT", 1),
		"no rounds":       strings.Replace(firebaseConfig, "rounds: 8", "rounds: ", 1),
		"rounds, a word":  strings.Replace(firebaseConfig, "rounds: 8", "rounds: eight", 1),
		"separator":       strings.Replace(firebaseConfig, "Bw==", "B", 1),
		"no cost of it":   strings.Replace(firebaseConfig, "mem_cost", "memory", 1),
		"only the braces": "hash_config {\n}",
	} {
		if _, err := ParseFirebaseKey(text); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "wjLNmdZJzx") {
			t.Errorf("%s: the error repeats the key: %v", name, err)
		}
	}
	for _, err := range Read(strings.NewReader(`{"users":[{"email":"a@x.example","passwordHash":"AAAA","salt":"AAAA"}]}`), Firebase, Options{}) {
		if bad := new(RowError); !errors.As(err, &bad) || !strings.Contains(bad.Why, "--firebase-key") {
			t.Errorf("without a key: %v", err)
		}
	}
}
