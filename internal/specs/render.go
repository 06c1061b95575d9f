package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const heading = `# Specifications

Where each section of a specification is kept, or refused, and which tests name
it. ` + "`make specs`" + ` writes this page from the comments in the code; a change by
hand is lost. What is left out or stricter is in [divergences.md](divergences.md).
`

// titles of what is named, for whoever doesn't know the numbers.
var titles = map[string]string{
	"RFC 5869": "HKDF", "RFC 6749": "The OAuth 2.0 Authorization Framework", "RFC 6750": "Bearer Token Usage",
	"RFC 7009": "Token Revocation", "RFC 7515": "JSON Web Signature", "RFC 7517": "JSON Web Key",
	"RFC 7518": "JSON Web Algorithms", "RFC 7519": "JSON Web Token", "RFC 7591": "Dynamic Client Registration",
	"RFC 7617": "HTTP Basic Authentication", "RFC 7636": "Proof Key for Code Exchange", "RFC 7638": "JWK Thumbprint",
	"RFC 7662": "Token Introspection", "RFC 7797": "JWS Unencoded Payload (refused)", "RFC 7800": "Proof-of-Possession Keys",
	"RFC 8037": "EdDSA in JOSE", "RFC 8252": "OAuth 2.0 for Native Apps", "RFC 8414": "Authorization Server Metadata",
	"RFC 8693": "Token Exchange", "RFC 8705": "Mutual TLS", "RFC 8707": "Resource Indicators", "RFC 8725": "JWT Best Current Practices",
	"RFC 9068": "JWT Profile for Access Tokens", "RFC 9101": "JWT-Secured Authorization Request", "RFC 9106": "Argon2",
	"RFC 9110": "HTTP Semantics", "RFC 9111": "HTTP Caching", "RFC 9207": "Issuer Identification", "RFC 9449": "DPoP",
	"RFC 9470": "Step Up Authentication", "RFC 9700": "Best Current Practice for OAuth 2.0 Security",
	"RFC 9728": "Protected Resource Metadata", "RFC 6265bis": "Cookies", "RFC 3986": "URI Syntax", "RFC 4514": "Distinguished Names",
	"RFC 6052": "IPv6 Addressing of Translators", "RFC 6890": "Special-Purpose Addresses", "RFC 7521": "Assertion Framework",
	"RFC 7523": "JWT Assertions", "RFC 7526": "6to4 Anycast", "RFC 7592": "Dynamic Client Registration Management",
	"RFC 8176": "Authentication Method References", "RFC 8628": "Device Authorization Grant", "RFC 9126": "Pushed Authorization Requests",
	"RFC 9325": "Recommendations for TLS", "RFC 9440": "Client-Cert HTTP Header", "RFC 9701": "JWT Response for Token Introspection",
	"RFC 9864": "Fully-Specified Algorithms",
}

func render(found index) []byte {
	bySpec := map[string][]reference{}
	for r := range found {
		bySpec[r.spec] = append(bySpec[r.spec], r)
	}
	var out bytes.Buffer
	out.WriteString(heading)
	for _, spec := range slices.SortedFunc(maps.Keys(bySpec), compareSpecs) {
		fmt.Fprintf(&out, "\n## %s\n\n", titled(spec))
		out.WriteString("| section | where | tests |\n|---|---|---|\n")
		sections := bySpec[spec]
		slices.SortFunc(sections, func(a, b reference) int { return compareSections(a.section, b.section) })
		for _, r := range sections {
			fmt.Fprintf(&out, "| %s | %s | %s |\n", linked(r), listed(found[r].code), listed(found[r].tests))
		}
	}
	return out.Bytes()
}

func titled(spec string) string {
	if title := titles[spec]; title != "" {
		return spec + ", " + title
	}
	return spec
}

// linked leads to the section where the address can be told from its number.
func linked(r reference) string {
	number, isRFC := strings.CutPrefix(r.spec, "RFC ")
	if _, err := strconv.Atoi(number); !isRFC || err != nil {
		return or(r.section, "§", "as a whole")
	}
	address := "https://www.rfc-editor.org/rfc/rfc" + number
	if r.section != "" {
		address += "#section-" + r.section
	}
	return fmt.Sprintf("[%s](%s)", or(r.section, "§", "as a whole"), address)
}

func or(value, prefix, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return prefix + value
}

func listed(set map[string]bool) string {
	names := slices.Sorted(maps.Keys(set))
	for i, n := range names {
		names[i] = "`" + n + "`"
	}
	return strings.Join(names, "<br>")
}

// compareSpecs puts RFCs first, by number.
func compareSpecs(a, b string) int {
	return cmp.Or(cmp.Compare(rfcNumber(a), rfcNumber(b)), strings.Compare(a, b))
}

func rfcNumber(spec string) int {
	number, isRFC := strings.CutPrefix(spec, "RFC ")
	n, err := strconv.Atoi(strings.TrimSuffix(number, "bis"))
	if !isRFC || err != nil {
		return 1 << 30
	}
	return n
}

// compareSections: 4.2 comes before 4.10.
func compareSections(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if c := cmp.Or(cmp.Compare(x, y), strings.Compare(as[i], bs[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}
