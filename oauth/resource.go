package oauth

// Resource is an API that takes our tokens: RFC 8707, RFC 9728.
type Resource struct {
	URL    string // its identifier, the token's audience
	Name   string // for people
	Client string // client_id of the client that introspection answers for it
}

// Catalog is what the operator declared: every scope and resource. It is
// never changed in place, so a request may keep it while it lasts.
type Catalog struct {
	Scopes    map[string]Scope
	Resources map[string]Resource
}

// audience: CONTRACT §1a. A token's aud is the resources asked for, else
// those the granted scopes belong to, else the issuer.
func (c *Catalog) audience(issuer string, asked, scopes []string) []string {
	if len(asked) > 0 {
		return asked
	}
	var aud []string
	for _, name := range scopes {
		if r := c.Scopes[name].Resource; r != "" && !contains(aud, r) {
			aud = append(aud, r)
		}
	}
	if len(aud) == 0 {
		return []string{issuer}
	}
	return aud
}

// barred are those of names that are for groups only, none of which is among
// groups.
func (c *Catalog) barred(names, groups []string) []string {
	var out []string
	for _, name := range names {
		if of := c.Scopes[name].Groups; len(of) > 0 && len(intersect(of, groups)) == 0 {
			out = append(out, name)
		}
	}
	return out
}

// introspects says whether a client speaks for one of the audience.
func (c *Catalog) introspects(clientID string, audience []string) bool {
	for _, url := range audience {
		if r, ok := c.Resources[url]; ok && r.Client != "" && r.Client == clientID {
			return true
		}
	}
	return false
}

// speaksFor says whether a client is the one of any resource.
func (c *Catalog) speaksFor(clientID string) bool {
	for _, r := range c.Resources {
		if r.Client != "" && r.Client == clientID {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
