//go:build unix

package directory

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed schema.ldif
var schema string

// configuration is cn=config. The server answers a bind without password with
// success, as Active Directory does, so that a client which lets one through is
// found out. Overlay retcode answers binds of the people below Codes with Active
// Directory's errors.
func (d *Directory) configuration() string {
	modules := ""
	for _, folder := range []string{"/usr/lib/ldap", "/usr/lib/openldap", "/usr/lib64/openldap"} {
		if found, _ := filepath.Glob(folder + "/back_mdb*"); len(found) > 0 {
			modules = folder
		}
	}
	items := ""
	for _, code := range codes {
		items += fmt.Sprintf("olcRetcodeItem: \"cn=Code %s\" 49 op=bind text=\"80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data %s, v4563\"\n", code, code)
	}
	replace := strings.NewReplacer(
		"{folder}", d.folder, "{modules}", modules, "{base}", Base, "{root}", rootDN, "{password}", rootPassword,
		"{schema}", schema, "{standard}", standardSchemas(), "{codes}", Codes, "{items}", items,
	)
	return replace.Replace(configuration)
}

// standardSchemas are those that come with the server.
func standardSchemas() (include string) {
	for _, folder := range []string{"/etc/ldap/schema", "/etc/openldap/schema"} {
		if _, err := os.Stat(folder + "/core.ldif"); err != nil {
			continue
		}
		for _, name := range []string{"core", "cosine", "inetorgperson"} {
			include += fmt.Sprintf("include: file://%s/%s.ldif\n", folder, name)
		}
		break
	}
	return include
}

const configuration = `dn: cn=config
objectClass: olcGlobal
cn: config
olcAllows: bind_anon_cred bind_anon_dn
olcTLSCACertificateFile: {folder}/ca.pem
olcTLSCertificateFile: {folder}/cert.pem
olcTLSCertificateKeyFile: {folder}/key.pem

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: {modules}
olcModuleLoad: back_mdb
olcModuleLoad: ppolicy
olcModuleLoad: retcode

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

{standard}
{schema}
dn: olcDatabase=frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: frontend
olcSizeLimit: 1000

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcDbDirectory: {folder}/data
olcDbMaxSize: 33554432
olcDbNoSync: TRUE
olcDbIndex: objectClass,uid,sAMAccountName,member eq
olcSuffix: {base}
olcRootDN: {root}
olcRootPW: {password}
olcAccess: to attrs=userPassword by anonymous auth by * none
olcAccess: to * by dn.exact="cn=reader,{base}" read by self read by * none

dn: olcOverlay=ppolicy,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: ppolicy
olcPPolicyDefault: cn=standard,ou=Policies,{base}
olcPPolicyUseLockout: TRUE

dn: olcOverlay=retcode,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcRetcodeConfig
olcOverlay: retcode
olcRetcodeParent: {codes}
{items}`
