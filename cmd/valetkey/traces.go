package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/valetkey/valetkey"
)

// traces says where traces go: otlp-endpoint, or the variables that
// OpenTelemetry gives to every program. nil: nowhere.
func (s *Settings) traces(env func(string) string, log *slog.Logger) (*valetkey.Traces, error) {
	address := endpointOf(s.OTLPEndpoint, env)
	if address == "" || strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") {
		return nil, nil //nolint:nilnil // nothing is traced
	}
	if err := judgeOTLP(address); err != nil {
		return nil, usageError{fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)}
	}
	protocol := env("OTEL_EXPORTER_OTLP_PROTOCOL")
	if p := env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"); p != "" {
		protocol = p
	}
	if s.OTLPEndpoint == "" && protocol != "" && protocol != "http/protobuf" {
		log.Warn("traces are off: only http/protobuf is spoken here", "OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
		return nil, nil //nolint:nilnil // nothing is traced
	}
	headers := pairs(env("OTEL_EXPORTER_OTLP_HEADERS"))
	for name, value := range pairs(env("OTEL_EXPORTER_OTLP_TRACES_HEADERS")) {
		headers[name] = value
	}
	return &valetkey.Traces{
		Endpoint: address, Headers: headers, Ratio: s.TraceRatio,
		Service: env("OTEL_SERVICE_NAME"), Attributes: pairs(env("OTEL_RESOURCE_ATTRIBUTES")),
	}, nil
}

// endpointOf: the variable for traces is taken as it is, the others get the path
// of OTLP/HTTP.
func endpointOf(setting string, env func(string) string) string {
	base := setting
	if base == "" {
		if whole := env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); whole != "" {
			return whole
		}
		base = env("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	if base == "" {
		return ""
	}
	return strings.TrimSuffix(base, "/") + "/v1/traces"
}

// pairs reads key=value,key=value, percent-encoded.
func pairs(list string) map[string]string {
	found := map[string]string{}
	for one := range strings.SplitSeq(list, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(one), "=")
		if decoded, err := url.PathUnescape(value); ok && key != "" && err == nil {
			found[strings.TrimSpace(key)] = strings.TrimSpace(decoded)
		}
	}
	return found
}

func judgeOTLP(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not the address of a collector, such as http://localhost:4318", v)
	}
	return nil
}

func judgeRatio(r float64) error {
	if !(r >= 0 && r <= 1) {
		return errors.New("it is a part of the requests, from 0 to 1")
	}
	return nil
}
