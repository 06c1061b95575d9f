package main

import (
	"log/slog"
	"strings"
	"testing"
)

// TestTraces: which settings and variables switch traces on, and which stop the
// start. What the variables say beside is the library's.
func TestTraces(t *testing.T) {
	ratio := func(r float64) *float64 { return &r }
	for _, c := range []struct {
		name     string
		endpoint string
		env      map[string]string
		on       bool
		refused  string
	}{
		{"nothing", "", nil, false, ""},
		{"the setting", "http://localhost:4318", nil, true, ""},
		{"the common variable", "", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, true, ""},
		{"the variable of traces", "", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c.example/x"}, true, ""},
		{"another variable", "", map[string]string{"OTEL_SERVICE_NAME": "a"}, false, ""},
		{"switched off", "http://localhost:4318", map[string]string{"OTEL_SDK_DISABLED": "true"}, false, ""},
		{"no exporter", "http://localhost:4318", map[string]string{"OTEL_TRACES_EXPORTER": "none"}, false, ""},
		{"a bad address", "", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, false, "OTEL_EXPORTER_OTLP_ENDPOINT: "},
		{"gRPC", "", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "http/protobuf is"},
		{"gRPC for the others", "", map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
		}, true, ""},
		{"gRPC to nowhere", "", map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, ""},
		{"the setting wins over gRPC", "http://localhost:4318", map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Settings{OTLPEndpoint: c.endpoint, TraceRatio: ratio(0.5)}
			traces, err := s.traces(func(name string) string { return c.env[name] }, slog.New(slog.DiscardHandler))
			switch {
			case (err != nil) != (c.refused != ""), err != nil && !strings.Contains(err.Error(), c.refused):
				t.Errorf("%v", err)
			case (traces != nil) != c.on:
				t.Errorf("on: %v", traces != nil)
			case traces != nil && (traces.Endpoint != c.endpoint || *traces.Ratio != 0.5):
				t.Errorf("%+v", traces)
			}
		})
	}
}

// TestTraceSettings: a value that can't be one stops the start and is named.
func TestTraceSettings(t *testing.T) {
	for args, want := range map[string]string{
		"--trace-ratio=1.5":            "--trace-ratio: trace-ratio: it is a part of the requests, from 0 to 1",
		"--trace-ratio=NaN":            "--trace-ratio: trace-ratio: it is a part",
		"--trace-ratio=most":           "--trace-ratio",
		"--otlp-endpoint=localhost":    `"localhost" is not the address of a collector`,
		"--stop-delay=1h":              "stop-delay is from 0s to 5m",
		"--profiling=on":               "profiling needs ops-listen",
		"--ops-listen=127.0.0.1:8080":  "ops-listen needs an address of its own",
		"--log-format=xml":             "log-format",
		"--ops-listen=8081":            "is not HOST:PORT",
		"--trusted-proxies=10.0.0.0/x": "is not a network",
	} {
		command(t, "", "serve", "--data-dir", t.TempDir(), args).want(t, exitUsage, want)
	}
}
