package trace

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// encode is an ExportTraceServiceRequest of opentelemetry-proto, which has the
// fields of TracesData. The numbers are those of trace.proto, resource.proto and
// common.proto.
func (t *Tracer) encode(spans []*Span) []byte {
	var resource []byte
	resource = appendAttribute(resource, 1, "service.name", t.c.Service)
	if t.c.Version != "" {
		resource = appendAttribute(resource, 1, "service.version", t.c.Version)
	}
	for _, key := range slices.Sorted(maps.Keys(t.c.Attributes)) {
		resource = appendAttribute(resource, 1, key, t.c.Attributes[key])
	}
	scope := appendText(nil, 1, "github.com/valetkey/valetkey")
	inScope := appendBytes(nil, 1, scope)
	for _, s := range spans {
		inScope = appendBytes(inScope, 2, s.encode())
	}
	all := appendBytes(nil, 1, resource)
	all = appendBytes(all, 2, inScope)
	return appendBytes(nil, 1, all)
}

func (s *Span) encode() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := appendBytes(nil, 1, s.trace[:])
	b = appendBytes(b, 2, s.id[:])
	if s.parent != [8]byte{} {
		b = appendBytes(b, 4, s.parent[:])
	}
	b = appendText(b, 5, s.name)
	b = protowire.AppendVarint(protowire.AppendTag(b, 6, protowire.VarintType), uint64(s.kind)) //nolint:gosec // one of three
	b = appendTime(b, 7, s.started)
	b = appendTime(b, 8, s.ended)
	for _, a := range s.attributes {
		b = a.append(b, 9)
	}
	if s.failed != "" {
		const statusError = 2
		status := appendText(nil, 2, s.failed)
		status = protowire.AppendVarint(protowire.AppendTag(status, 3, protowire.VarintType), statusError)
		b = appendBytes(b, 15, status)
	}
	const sampled = 1
	return protowire.AppendFixed32(protowire.AppendTag(b, 16, protowire.Fixed32Type), sampled)
}

func appendAttribute(b []byte, field protowire.Number, key, value string) []byte {
	return attribute{key: key, value: value}.append(b, field)
}

// append writes a KeyValue with its AnyValue.
func (a attribute) append(b []byte, field protowire.Number) []byte {
	value := appendText(nil, 1, a.value)
	if a.isNumber {
		value = protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), uint64(a.number)) //nolint:gosec // two's complement, as protobuf has int64
	}
	return appendBytes(b, field, appendBytes(appendText(nil, 1, a.key), 2, value))
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendBytes(b []byte, field protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), content)
}

func appendTime(b []byte, field protowire.Number, t time.Time) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), uint64(t.UnixNano()))
}
