// Command mcp-server is an MCP server whose tools only answer people who let the
// asking program in at Valet Key. A client needs to know nothing but its URL: the
// first refusal leads it to the metadata of this server (RFC 9728), these to the
// authorization server, and there it registers itself, or names the address of
// its own metadata document.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/valetkey/valetkey/resource"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address to listen on")
	issuer := flag.String("issuer", "http://localhost:8080", "the authorization server")
	address := flag.String("url", "", "this server's URL as clients and the authorization server know it (default http:// listen /mcp)")
	flag.Parse()
	if err := run(*listen, *issuer, cmp.Or(*address, "http://"+*listen+"/mcp")); err != nil {
		fmt.Fprintln(os.Stderr, "mcp-server:", err)
		os.Exit(1)
	}
}

func run(listen, issuer, address string) error {
	handler, api, err := newHandler(issuer, address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := api.Check(ctx); err != nil { // a wrong issuer is told now, not at the first request
		return err
	}
	slog.Info("ready", "url", address, "issuer", issuer)
	server := &http.Server{Addr: listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// newHandler serves MCP at the path of address, and the metadata that lead
// there.
func newHandler(issuer, address string) (http.Handler, *resource.API, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, nil, fmt.Errorf("url: %q is not an address such as https://mcp.example.com/mcp", address)
	}
	origin := u.Scheme + "://" + u.Host
	api := resource.New(resource.Config{
		Issuer: issuer, Audience: address, BaseURL: origin, Scopes: []string{scopeRead},
		ResourceMetadata: origin + wellKnown + strings.TrimSuffix(u.EscapedPath(), "/"), // named in every refusal
	})
	mux := http.NewServeMux()
	mux.Handle(cmp.Or(u.Path, "/"), api.Require()(transport(newServer())))
	mux.Handle(api.MetadataPath(), api.Metadata())
	if api.MetadataPath() != wellKnown {
		mux.Handle(wellKnown, api.Metadata()) // where some clients look without having asked
	}
	return mux, api, nil
}

const wellKnown = "/.well-known/oauth-protected-resource"

// transport is MCP's streamable HTTP without sessions: each request stands for
// itself, so a tool sees the token of the very request that called it and never
// that of an earlier one.
func transport(server *mcp.Server) http.Handler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
}
