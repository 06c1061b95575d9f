package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/trace"
)

// traces says where traces go: otlp-endpoint, or what OpenTelemetry's own
// variables say, which its library reads. nil: nowhere.
func (s *Settings) traces(env func(string) string, log *slog.Logger) (*valetkey.Traces, error) {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") || env("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil //nolint:nilnil // nothing is traced
	}
	if s.OTLPEndpoint == "" {
		told, err := toldByVariables(env)
		if err != nil || !told {
			return nil, err
		}
	}
	trace.LogTo(log)
	return &valetkey.Traces{Endpoint: s.OTLPEndpoint, Ratio: s.TraceRatio}, nil
}

// toldByVariables judges what the library would leave out in silence.
func toldByVariables(env func(string) string) (told bool, err error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		address := env(name)
		if address == "" {
			continue
		}
		if told = true; judgeOTLP(address) != nil {
			return false, usageError{fmt.Errorf("%s: %w", name, judgeOTLP(address))}
		}
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch protocol := env(name); {
		case protocol == "http/protobuf" || protocol == "http/json":
			return told, nil
		case protocol != "" && told:
			return false, usageError{fmt.Errorf("%s: %q isn't spoken here; OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf is, mostly at port 4318", name, protocol)}
		}
	}
	return told, nil
}

func judgeOTLP(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not the address of a collector, such as http://localhost:4318", v)
	}
	return nil
}

func judgeRatio(r *float64) error {
	if r != nil && !(*r >= 0 && *r <= 1) {
		return errors.New("it is a part of the requests, from 0 to 1")
	}
	return nil
}
