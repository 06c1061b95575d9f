package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// patience is how long a sign-in may take.
const patience = 5 * time.Minute

// attempt is what one authorization request is recognized by.
type attempt struct {
	redirect, state, nonce, verifier string
}

// browse runs the code flow with PKCE through the browser and a loopback
// redirect: RFC 8252 §7.3, RFC 7636 §4.
func (p *party) browse(ctx context.Context, c console, port uint16, open bool) (t tokens, err error) {
	if err := p.canBrowse(); err != nil {
		return t, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return t, fmt.Errorf("listen: %w", err)
	}
	host := listener.Addr().String()
	try := attempt{redirect: "http://" + host + callbackPath, state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	lands := newLanding(host)
	server := newHTTP(lands, slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(listener) }()
	defer leave(server)
	address, err := p.start(ctx, try)
	if err != nil {
		return t, err
	}
	fmt.Fprintf(c.err, "To sign in, open\n\n  %s\n\n", plain(address))
	if open {
		if err := openBrowser(ctx, address); err != nil {
			fmt.Fprintf(c.err, "No browser could be opened (%s).\n", oneLine(err))
		}
	}
	select {
	case <-ctx.Done():
		return t, stopped(ctx)
	case answer := <-lands.got:
		t, err = p.finish(ctx, try, answer)
		lands.done <- err
		return t, err
	}
}

// canBrowse: RFC 9700 §2.1.1. A server that names its challenge methods and
// not S256 would ignore ours.
func (p *party) canBrowse() error {
	switch {
	case p.about.Authorization == "":
		return errors.New("the server names no authorization_endpoint; perhaps --device")
	case len(p.about.Challenges) > 0 && !slices.Contains(p.about.Challenges, "S256"):
		return errors.New("the server doesn't offer PKCE with S256")
	case p.about.MustPush && p.about.Pushed == "":
		return errors.New("the server wants pushed requests and names no pushed_authorization_request_endpoint")
	}
	return nil
}

// leave lets the last page be read, then closes.
func leave(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}

// stopped tells why a sign-in ended before anybody answered.
func stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("nobody signed in in time; run the command again")
	}
	return errors.New("stopped before anybody signed in")
}

// start returns the address for the browser: RFC 6749 §4.1.1. The server's own
// address may have a query, §3.1.
func (p *party) start(ctx context.Context, try attempt) (string, error) {
	form := p.asks()
	form.Set("response_type", "code")
	form.Set("client_id", p.id)
	form.Set("redirect_uri", try.redirect)
	form.Set("state", try.state)
	form.Set("code_challenge", oauth2.S256ChallengeFromVerifier(try.verifier))
	form.Set("code_challenge_method", "S256")
	if slices.Contains(strings.Fields(p.scope), "openid") {
		form.Set("nonce", try.nonce)
	}
	if p.about.MustPush {
		var err error
		if form, err = p.push(ctx, form); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(p.about.Authorization)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += form.Encode()
	return u.String(), nil
}

// push hands the request in by the back door: RFC 9126 §2.
func (p *party) push(ctx context.Context, form url.Values) (url.Values, error) {
	body, err := p.post(ctx, p.about.Pushed, form)
	if err != nil {
		return nil, fmt.Errorf("push the request: %w", err)
	}
	var kept struct {
		URI string `json:"request_uri"`
	}
	if json.Unmarshal(body, &kept) != nil || kept.URI == "" {
		return nil, errors.New("push the request: the server's answer has no request_uri")
	}
	return url.Values{"client_id": {p.id}, "request_uri": {kept.URI}}, nil
}

// finish judges what the browser brought and redeems the code: RFC 6749
// §4.1.2 and §4.1.3, RFC 9207 §2.4.
func (p *party) finish(ctx context.Context, try attempt, answer url.Values) (t tokens, err error) {
	code, err := p.judge(try, answer)
	if err != nil {
		return t, err
	}
	body, err := p.post(ctx, p.about.Token, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {try.redirect}, "code_verifier": {try.verifier},
	})
	if err != nil {
		return t, fmt.Errorf("redeem the code: %w", err)
	}
	if t, err = readTokens(body, p.scope); err != nil {
		return t, err
	}
	return t, p.identify(ctx, &t, try.nonce)
}

func (p *party) judge(try attempt, answer url.Values) (code string, err error) {
	for _, name := range []string{"state", "iss", "code", "error"} {
		if len(answer[name]) > 1 {
			return "", fmt.Errorf("the answer has more than one %s", name)
		}
	}
	switch iss := answer.Get("iss"); {
	case subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(try.state)) != 1:
		return "", errors.New("the answer belongs to another sign-in: its state differs; run the command again")
	case answer.Has("iss") && iss != p.issuer:
		return "", fmt.Errorf("the answer is of another server: its iss is %q", plain(iss))
	case !answer.Has("iss") && p.about.NamesItself:
		return "", errors.New("the answer has no iss, which this server always sends")
	case answer.Has("error"):
		return "", &refusal{Code: answer.Get("error"), Description: answer.Get("error_description")}
	case answer.Get("code") == "":
		return "", errors.New("the answer has no code")
	}
	return answer.Get("code"), nil
}

// openBrowser starts the person's browser and doesn't wait for it.
func openBrowser(ctx context.Context, address string) error {
	var failed error
	for _, command := range browsers(os.Getenv("BROWSER"), address) {
		cmd := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...) //nolint:gosec // the person's own browser; the address was judged and is one argument
		if err := cmd.Start(); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		go func() { _ = cmd.Wait() }()
		return nil
	}
	return failed
}

// browsers lists the commands to try. BROWSER is a list of them, in which %s
// stands for the address; without it the address comes last.
func browsers(wanted, address string) (commands [][]string) {
	for _, one := range filepath.SplitList(wanted) {
		words := strings.Fields(one)
		if len(words) == 0 {
			continue
		}
		if !strings.Contains(one, "%s") {
			words = append(words, "%s")
		}
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "%s", address)
		}
		commands = append(commands, words)
	}
	if len(commands) > 0 {
		return commands
	}
	switch runtime.GOOS {
	case "darwin":
		return [][]string{{"open", address}}
	case "windows":
		return [][]string{{"rundll32", "url.dll,FileProtocolHandler", address}}
	}
	return [][]string{{"xdg-open", address}}
}
