package scan

import "text/template/parse"

// template collects what templates say: {{t "…"}}, {{ts "…"}} and
// {{tn n "one" "other"}}. Their text is always written out, since whoever
// translates reads no code.
func (k *keys) template(where, text string) error {
	tree := parse.New(where)
	tree.Mode = parse.SkipFuncCheck
	trees := map[string]*parse.Tree{}
	if _, err := tree.Parse(text, "", "", trees); err != nil {
		return err
	}
	for _, t := range trees {
		k.walk(where, t.Root)
	}
	return nil
}

func (k *keys) walk(where string, node parse.Node) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			k.walk(where, child)
		}
	case *parse.ActionNode:
		k.pipe(where, n.Pipe)
	case *parse.TemplateNode:
		k.pipe(where, n.Pipe)
	case *parse.IfNode:
		k.branch(where, &n.BranchNode)
	case *parse.RangeNode:
		k.branch(where, &n.BranchNode)
	case *parse.WithNode:
		k.branch(where, &n.BranchNode)
	case *parse.PipeNode:
		k.pipe(where, n)
	}
}

func (k *keys) branch(where string, b *parse.BranchNode) {
	k.pipe(where, b.Pipe)
	k.walk(where, b.List)
	k.walk(where, b.ElseList)
}

func (k *keys) pipe(where string, p *parse.PipeNode) {
	if p == nil {
		return
	}
	for _, c := range p.Cmds {
		k.command(where, c)
		for _, arg := range c.Args {
			k.walk(where, arg)
		}
	}
}

func (k *keys) command(where string, c *parse.CommandNode) {
	name, ok := c.Args[0].(*parse.IdentifierNode)
	if !ok {
		return
	}
	switch name.Ident {
	case "t", "ts":
		if key, ok := text(c.Args, 1); ok {
			k.add(where, key, "")
			return
		}
	case "tn":
		one, ok1 := text(c.Args, 2)
		other, ok2 := text(c.Args, 3)
		if ok1 && ok2 {
			k.add(where, other, one)
			return
		}
	default:
		return
	}
	k.fault(where, "%s takes its text written out: %s", name.Ident, c)
}

func text(args []parse.Node, i int) (string, bool) {
	if i >= len(args) {
		return "", false
	}
	s, ok := args[i].(*parse.StringNode)
	if !ok {
		return "", false
	}
	return s.Text, true
}
