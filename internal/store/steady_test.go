package store

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	began, day := time.Now(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var p pace
	for _, step := range []struct {
		after time.Duration // of the stopwatch
		ahead time.Duration // the clock, against the beginning
		want  time.Duration
	}{
		{0, 0, 0},
		{time.Minute, 0, time.Minute},
		{8 * time.Minute, 20 * time.Second, 8 * time.Minute},
		{9 * time.Minute, time.Hour, 0},
		{10 * time.Minute, time.Hour, time.Minute},
		{11 * time.Minute, 0, 0},
		{20 * time.Minute, 0, 9 * time.Minute},
		{21 * time.Minute, -time.Minute, 0},
		{30 * time.Minute, -time.Minute, 9 * time.Minute},
	} {
		if got := p.even(began.Add(step.after), day.Add(step.after+step.ahead)); got != step.want {
			t.Errorf("after %s, %s ahead: even for %s, not %s", step.after, step.ahead, got, step.want)
		}
	}
}
