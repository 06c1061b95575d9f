package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

type healthCmd struct {
	URL string `name:"url" help:"Address to ask; default: /healthz of ops-listen, else of listen." placeholder:"URL"`
}

// Run asks a server whether it lives, for containers that have nothing else to
// ask with.
func (h healthCmd) Run(ctx context.Context, s *Settings, c console) error {
	address := h.URL
	if address == "" {
		address = s.healthURL()
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil || req.URL.Host == "" || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return usageError{fmt.Errorf("--url: %q is not an address such as http://127.0.0.1:8080/healthz", address)}
	}
	// The certificate is for the name that others use; nothing is told here.
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // see above
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return errors.New(address + " answered " + resp.Status)
	}
	_, err = fmt.Fprintln(c.out, "ok")
	return err
}

// healthURL is where the server of these settings is asked on its own machine.
func (s *Settings) healthURL() string {
	scheme, address := "http", s.OpsListen
	if address == "" {
		address = s.Listen
		if s.TLSCert != "" {
			scheme = "https"
		}
	}
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/healthz"
}
