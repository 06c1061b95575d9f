package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// group is one on the way; entry is nil while only its name is known.
type group struct {
	name  dn
	entry *ldap.Entry
}

// walk goes up from a person to groups, their groups, and so on. The rule of
// Active Directory that does it in one question is slow there and unknown
// elsewhere.
type walk struct {
	d     *ldapDirectory
	conn  *conn
	base  dn
	seen  map[string]bool // by normal name: groups may contain each other
	cut   bool            // there were more than maxGroups
	names []string
}

// groups names a person's groups, level by level. Too many are cut; too slow is
// an error, since what a person may do mustn't depend on the directory's mood.
func (d *ldapDirectory) groups(ctx context.Context, p person, username string) ([]string, error) {
	depth := maxDepth
	if d.c.GroupDepth != nil {
		depth = *d.c.GroupDepth
	}
	if depth == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.step)
	defer cancel()
	w := &walk{d: d, conn: p.conn, base: dn(d.c.GroupBase), seen: map[string]bool{}}
	if w.base == "" {
		w.base = dn(d.c.Base)
	}
	level, err := w.above(p.entry, username)
	for ; err == nil && depth > 0 && len(level) > 0; depth-- {
		level, err = w.climb(ctx, level)
	}
	if err != nil {
		return nil, unavailable(fmt.Errorf("groups: %w", err))
	}
	if w.cut {
		d.log.Warn("a person's groups were cut", "connector", d.c.Name, "entry", said(p.entry.DN), "groups", maxGroups)
	}
	return w.names, nil
}

// climb notes the groups of a level, and gives the level above.
func (w *walk) climb(ctx context.Context, level []group) (next []group, err error) {
	slices.SortFunc(level, func(a, b group) int { return strings.Compare(a.name.normal(), b.name.normal()) })
	for _, g := range level {
		key := g.name.normal()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case w.seen[key] || !g.name.below(w.base):
			continue
		case len(w.seen) >= maxGroups:
			w.cut = true
			return nil, nil
		}
		w.seen[key] = true
		if g.entry == nil {
			if g.entry, err = w.conn.read(g.name, w.d.c.GroupName, "memberOf"); err != nil {
				return nil, err
			}
		}
		if g.entry == nil { // it may not be read, so it says nothing
			continue
		}
		w.names = append(w.names, w.nameOf(g))
		above, err := w.above(g.entry, "")
		if err != nil {
			return nil, err
		}
		next = append(next, above...)
	}
	return next, nil
}

// above finds what an entry is a direct member of: by its own memberOf, and by
// asking for groups that list it. Only a person has a username to ask with.
func (w *walk) above(e *ldap.Entry, username string) (found []group, err error) {
	for _, name := range e.GetEqualFoldAttributeValues("memberOf") {
		found = append(found, group{name: dn(name)})
	}
	ask := template(w.d.c.GroupFilter)
	if ask == "" || username == "" && ask.has(holeUser) {
		return found, nil
	}
	f := ask.filter(map[string]string{holeDN: e.DN, holeUser: username})
	entries, err := w.conn.search(w.base, ldap.ScopeWholeSubtree, f, maxGroups, w.d.c.GroupName, "memberOf")
	if errors.Is(err, errTooMany) {
		w.cut, err = true, nil
	}
	for _, entry := range entries {
		found = append(found, group{dn(entry.DN), entry})
	}
	return found, err
}

// nameOf is the key of the configuration's groups: the whole name where one is
// given, which nobody can imitate in another corner of the tree, else the short
// one.
func (w *walk) nameOf(g group) string {
	for key := range w.d.c.Groups {
		if strings.Contains(key, "=") && dn(key).normal() == g.name.normal() {
			return key
		}
	}
	name := value(g.entry, w.d.c.GroupName)
	if strings.Contains(name, "=") && w.d.c.Groups[name] != "" {
		return "" // a short name that was made to look like a whole one
	}
	return name
}
