package main

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/valetkey/valetkey/resource"
)

const scopeRead = "organizations:read"

func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "organizations", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "Tells for whom and by which app this server was asked."}, whoami)
	mcp.AddTool(server, &mcp.Tool{Name: "list_organizations", Description: "Lists the person's organizations."}, listOrganizations)
	return server
}

type none struct{}

type caller struct {
	Subject string   `json:"subject" jsonschema:"the person"`
	Client  string   `json:"client" jsonschema:"the app that asks"`
	Scopes  []string `json:"scopes" jsonschema:"what the person let it do"`
}

// whoami answers everybody who has a token for this server.
func whoami(ctx context.Context, _ *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, caller, error) {
	token := resource.FromContext(ctx)
	return nil, caller{Subject: token.Subject, Client: token.ClientID, Scopes: append([]string{}, token.Scopes...)}, nil
}

type organization struct {
	Name string `json:"name"`
	City string `json:"city"`
}

type organizations struct {
	Organizations []organization `json:"organizations"`
}

var all = []organization{
	{Name: "Analytical Engines Ltd", City: "London"},
	{Name: "Difference and Daughters", City: "Ockham"},
}

// listOrganizations needs a scope, which the person may have withheld.
func listOrganizations(ctx context.Context, _ *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, organizations, error) {
	if !resource.FromContext(ctx).Has(scopeRead) {
		return nil, organizations{}, errors.New("this needs the scope " + scopeRead + ", which the person has not granted")
	}
	return nil, organizations{Organizations: all}, nil
}
