package main

import (
	"regexp"
	"strings"
)

// reference is a section of a specification; section is "" for the whole.
type reference struct {
	spec    string
	section string
}

// mention finds names of specifications and section numbers, in their order.
// Core, Discovery and Registration are ordinary words unless a § follows.
var mention = regexp.MustCompile(`(RFC \d+(?:bis)?)` +
	`|((?:OpenID Connect |OIDC )(?:Core|Discovery|Registration)|(?:Core|Discovery|Registration) §)` +
	`|((?:OpenID Connect |OIDC )?(?:RP-Initiated|Back-Channel|Front-Channel) Logout)` +
	`|((?:OAuth 2\.0 )?(?:Multiple Response Types|Form Post Response Mode))` +
	`|(NIST SP 800-63B)` +
	`|(FAPI 2\.0 (?:Security Profile|Message Signing)|JARM|draft-ietf-oauth-client-id-metadata-document|Client ID Metadata Documents?)` +
	`|(CONTRACT|DESIGN)` +
	`|§§?\s?(\d+[a-z]?(?:\.\d+)*)`)

const (
	groupRFC = 1 + iota
	groupConnect
	groupLogout
	groupMode
	groupNIST
	groupOthers
	groupOurs
	groupSection
)

// references reads a comment. A section belongs to the specification named
// last before it; sections of our own papers are left out.
func references(comment string) []reference {
	text := strings.Join(strings.Fields(comment), " ")
	var found []reference
	spec, whole := "", false
	end := func() {
		if spec != "" && whole {
			found = append(found, reference{spec: spec})
		}
	}
	for at := 0; at < len(text); {
		m := mention.FindStringSubmatchIndex(text[at:])
		if m == nil {
			break
		}
		group, value := which(text[at:], m)
		if group == groupSection {
			if spec != "" {
				found = append(found, reference{spec: spec, section: value})
			}
			whole = false
		} else {
			end()
			spec, whole = canonical(group, value), true
		}
		at += m[1] - keepSign(value)
	}
	end()
	return found
}

func which(text string, m []int) (group int, value string) {
	for group = 1; group < len(m)/2; group++ {
		if m[2*group] >= 0 {
			return group, text[m[2*group]:m[2*group+1]]
		}
	}
	return 0, ""
}

// keepSign leaves the § that told a name from a word for the section.
func keepSign(value string) int {
	if strings.HasSuffix(value, "§") {
		return len("§")
	}
	return 0
}

// canonical gives each specification one name.
func canonical(group int, value string) string {
	value = strings.TrimSuffix(value, " §")
	switch group {
	case groupConnect, groupLogout:
		value = strings.TrimPrefix(strings.TrimPrefix(value, "OpenID Connect "), "OIDC ")
		return "OpenID Connect " + value
	case groupMode:
		return "OAuth 2.0 " + strings.TrimPrefix(value, "OAuth 2.0 ")
	case groupOthers:
		switch {
		case value == "JARM":
			return "JWT Secured Authorization Response Mode (JARM)"
		case strings.HasPrefix(value, "Client ID"), strings.HasPrefix(value, "draft"):
			return "OAuth Client ID Metadata Document"
		}
		return value
	case groupOurs:
		return ""
	}
	return value
}
