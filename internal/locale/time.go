package locale

import (
	"strconv"
	"strings"
	"time"
)

// Ago says a time as people say it.
func (l *Locale) Ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return l.T("never")
	case d < time.Minute:
		return l.T("just now")
	case d < time.Hour:
		return l.N(int(d/time.Minute), "1 minute ago", "{n} minutes ago")
	case d < 24*time.Hour:
		return l.N(int(d/time.Hour), "1 hour ago", "{n} hours ago")
	case d < 14*24*time.Hour:
		return l.N(int(d/(24*time.Hour)), "1 day ago", "{n} days ago")
	}
	return l.T("on {0}", l.Day(t))
}

// Wait says how long, rounded up.
func (l *Locale) Wait(d time.Duration) string {
	switch {
	case d <= time.Minute:
		return l.N(max(1, upTo(d, time.Second)), "1 second", "{n} seconds")
	case d <= time.Hour:
		return l.N(upTo(d, time.Minute), "1 minute", "{n} minutes")
	}
	return l.N(upTo(d, time.Hour), "1 hour", "{n} hours")
}

func upTo(d, unit time.Duration) int { return int((d + unit - 1) / unit) }

// Day is the date.
func (l *Locale) Day(t time.Time) string {
	t = t.UTC()
	day := strconv.Itoa(t.Day())
	if t.Day() == 1 && l.manners.first != "" {
		day = l.manners.first
	}
	return strings.NewReplacer("{d}", day, "{m}", l.manners.months[t.Month()-1], "{y}", strconv.Itoa(t.Year())).Replace(l.manners.day)
}

// Exact is the date and the time, of the zone that it names.
func (l *Locale) Exact(t time.Time) string {
	return strings.NewReplacer("{date}", l.Day(t), "{time}", t.UTC().Format("15:04:05")).Replace(l.manners.exact)
}
