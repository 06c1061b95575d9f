package trace

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Run sends what has ended until ctx is done, and then what is left, for as long
// as one try takes.
func (t *Tracer) Run(ctx context.Context) {
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	failing := false
	for batch := []*Span(nil); ; {
		select {
		case s := <-t.finished:
			if batch = append(batch, s); len(batch) < maxBatch {
				continue
			}
		case <-ticker.C:
		case <-ctx.Done():
			t.last(ctx, batch)
			return
		}
		if len(batch) == 0 {
			continue
		}
		err := t.patiently(ctx, batch)
		t.count(len(batch), err)
		if err != nil && !failing {
			t.c.Log.WarnContext(ctx, "traces can't be sent", "error", err)
		}
		failing, batch = err != nil, nil
	}
}

func (t *Tracer) count(spans int, err error) {
	if err != nil {
		t.dropped.Add(uint64(spans)) //nolint:gosec // a length
		return
	}
	t.sent.Add(uint64(spans)) //nolint:gosec // a length
}

// last sends what is left in one try.
func (t *Tracer) last(ctx context.Context, batch []*Span) {
	for {
		select {
		case s := <-t.finished:
			batch = append(batch, s)
			continue
		default:
		}
		break
	}
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, _, err := t.send(ctx, t.encode(batch))
	t.count(len(batch), err)
}

// patiently tries again what a collector couldn't take just now: OTLP/HTTP,
// "Failures" and "Throttling".
func (t *Tracer) patiently(ctx context.Context, batch []*Span) error {
	content := t.encode(batch)
	for tries := 0; ; tries++ {
		again, after, err := t.send(ctx, content)
		if err == nil || !again || tries == len(t.pauses) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(max(t.pauses[tries], after)):
		}
	}
}

// send makes one try. again says whether another makes sense, and after how long.
func (t *Tracer) send(ctx context.Context, content []byte) (again bool, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.c.Endpoint, bytes.NewReader(content))
	if err != nil {
		return false, 0, err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "valetkey")
	for name, value := range t.c.Headers {
		req.Header.Set(name, value)
	}
	resp, err := t.c.Client.Do(req)
	if err != nil {
		return true, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is kept
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return false, 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	const longest = 30
	wait, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return again, time.Duration(min(max(wait, 0), longest)) * time.Second, fmt.Errorf("the collector answered %d", resp.StatusCode)
}
