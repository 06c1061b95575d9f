package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/test/harness"
)

// nodeCall is a line that a script of node/ writes when it wants something of
// the person at the browser or of the operator. See node/talk.mjs.
type nodeCall struct {
	Open   string              `json:"open"`   // an address for the browser
	Device string              `json:"device"` // an address with a device's code in it
	As     string              `json:"as"`     // who is at the browser; each has one of their own
	Client *valetkey.NewClient `json:"client"` // an app to register
	Done   bool                `json:"done"`   // the script's last line
}

// nodeAnswer is the line that it gets back.
type nodeAnswer struct {
	URL    string            `json:"url,omitempty"`    // where the browser is sent
	Form   map[string]string `json:"form,omitempty"`   // posted there, by form_post
	Page   string            `json:"page,omitempty"`   // or the text of the page it was shown
	Client *valetkey.Client  `json:"client,omitempty"` // as registered
	Error  string            `json:"error,omitempty"`
}

func needNode(t *testing.T) {
	t.Helper()
	if left("node") {
		t.Skip("TEST_SKIP leaves node out")
	}
}

// runNode runs a script against a server and plays the person and the operator
// for it. The test fails unless the script ends well and says so.
func runNode(t *testing.T, srv *harness.Server, script string, settings any, environment ...string) {
	t.Helper()
	argument, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", filepath.Join("node", script), string(argument))
	var complaint bytes.Buffer
	node.Env, node.Stderr = append(os.Environ(), environment...), &complaint
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatalf("node is needed; `make test` installs it: %v", err)
	}
	done, fault := (&nodeHost{srv: srv, browsers: map[string]*harness.Browser{}}).serve(in, out)
	if err := errors.Join(fault, node.Wait()); err != nil || !done {
		t.Errorf("%s: %v, done %t\n%s", script, err, done, complaint.String())
	}
}

// nodeHost answers one script.
type nodeHost struct {
	srv      *harness.Server
	browsers map[string]*harness.Browser
}

func (h *nodeHost) serve(in io.Writer, out io.Reader) (done bool, err error) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var call nodeCall
		if err := json.Unmarshal(lines.Bytes(), &call); err != nil {
			return false, fmt.Errorf("%w: %s", err, lines.Text())
		}
		if call.Done {
			done = true
			continue
		}
		answer, err := h.answer(call)
		if err != nil {
			answer = nodeAnswer{Error: err.Error()}
		}
		if err := json.NewEncoder(in).Encode(answer); err != nil {
			return false, err
		}
	}
	return done, lines.Err()
}

func (h *nodeHost) answer(call nodeCall) (nodeAnswer, error) {
	if call.Client != nil {
		c, err := h.srv.Admin().CreateClient(context.Background(), *call.Client)
		return nodeAnswer{Client: &c}, err
	}
	if call.As == "" {
		call.As = "ada"
	}
	b := h.browsers[call.As]
	if b == nil {
		var err error
		if b, err = harness.OpenBrowser(h.srv.URL); err != nil {
			return nodeAnswer{}, err
		}
		h.browsers[call.As] = b
	}
	if call.Device != "" {
		return h.device(b, call)
	}
	return seenBy(b.SignIn(call.Open, call.As, harness.Password))
}

// device signs somebody in, enters the code that is in the address and agrees.
func (h *nodeHost) device(b *harness.Browser, call nodeCall) (nodeAnswer, error) {
	if _, err := b.SignIn("/account", call.As, harness.Password); err != nil {
		return nodeAnswer{}, err
	}
	page, err := b.Get(call.Device)
	if err != nil {
		return nodeAnswer{}, err
	}
	if page, err = b.Submit(page, "device-form", "device-submit", nil); err != nil {
		return nodeAnswer{}, err
	}
	return seenBy(b.Submit(page, "consent-form", "consent-allow", nil))
}

// seenBy tells where a browser ended.
func seenBy(page *harness.Page, err error) (nodeAnswer, error) {
	switch {
	case err != nil:
		return nodeAnswer{}, err
	case page.Location != nil:
		return nodeAnswer{URL: page.Location.String()}, nil
	}
	form := page.ByID("form-post")
	if form == nil {
		return nodeAnswer{Page: page.Text()}, nil
	}
	action, values := posted(form)
	target, err := url.Parse(action)
	if err != nil || !target.IsAbs() {
		return nodeAnswer{}, fmt.Errorf("form_post to %q: %w", action, err)
	}
	return nodeAnswer{URL: action, Form: values}, nil
}

// posted reads the page of the Form Post Response Mode.
func posted(form *html.Node) (action string, values map[string]string) {
	values = map[string]string{}
	of := func(n *html.Node, name string) string {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
		return ""
	}
	for n := range form.Descendants() {
		if n.Data == "input" {
			values[of(n, "name")] = of(n, "value")
		}
	}
	return of(form, "action"), values
}
