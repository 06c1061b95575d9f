package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// refusal is a server's answer that isn't what was asked for: RFC 6749 §5.2.
type refusal struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (r *refusal) Error() string {
	switch {
	case r.Code == "":
		return fmt.Sprintf("the server answered %d", r.Status)
	case r.Description == "":
		return fmt.Sprintf("the server refused: %s", plain(r.Code))
	}
	return fmt.Sprintf("the server refused: %s: %s", plain(r.Code), plain(r.Description))
}

// post sends a form to an endpoint, with what proves the client: RFC 6749
// §2.3.1. Which of the two ways to send a secret the client registered isn't
// known here, so a refused header is followed by the body.
func (p *party) post(ctx context.Context, address string, form url.Values) ([]byte, error) {
	body, err := p.postOnce(ctx, address, form)
	var refused *refusal
	if errors.As(err, &refused) && refused.Code == "invalid_client" && p.secret != "" && !p.inBody && p.offers("client_secret_post") {
		p.inBody = true
		return p.postOnce(ctx, address, form)
	}
	return body, err
}

func (p *party) offers(method string) bool { return slices.Contains(p.about.Methods, method) }

func (p *party) postOnce(ctx context.Context, address string, form url.Values) ([]byte, error) {
	form.Set("client_id", p.id)
	header := p.secret != "" && !p.inBody
	if p.secret != "" && p.inBody {
		form.Set("client_secret", p.secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if header {
		req.SetBasicAuth(url.QueryEscape(p.id), url.QueryEscape(p.secret))
	}
	status, body, err := send(p.web, req)
	if err != nil || status/100 == 2 {
		return body, err
	}
	refused := &refusal{Status: status}
	if json.Unmarshal(body, refused) != nil { // a proxy's page, say
		refused = &refusal{Status: status}
	}
	return nil, refused
}

const maxAnswer = 1 << 20

// send reads an answer whole.
func send(web *http.Client, req *http.Request) (status int, body []byte, err error) {
	resp, err := web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("%s answered with more than %d bytes", req.URL.Host, maxAnswer)
	}
	return resp.StatusCode, bytes.TrimSpace(body), err
}

// asks are the parameters that say what is wanted: RFC 6749 §3.3, RFC 8707 §2.
func (p *party) asks() url.Values {
	form := url.Values{}
	if p.scope != "" {
		form.Set("scope", p.scope)
	}
	if len(p.resource) > 0 {
		form["resource"] = p.resource
	}
	return form
}
