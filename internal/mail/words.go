package mail

import (
	"time"

	"github.com/valetkey/valetkey/internal/locale"
)

// Letterhead is who writes. Its methods make the letters.
type Letterhead struct {
	Brand string // the operator's name for the installation
	Host  string // the issuer's host, as people read it
}

// words is one language on one letterhead.
type words struct {
	*locale.Locale

	brand, host string
}

func (h Letterhead) in(tag string) words {
	return words{Locale: locale.Get(tag), brand: oneLine(h.Brand, maxName), host: h.Host}
}

// letter begins a letter to somebody.
func (w words) letter(to Person, life time.Duration) Letter {
	if life <= 0 {
		life = day
	}
	return Letter{To: to.Address, Locale: w.Tag, Name: to.Name, Life: life}
}

// use says what the code and the link are for.
func (w words) use(code, link string) string {
	switch {
	case link == "":
		return w.T("Enter this code where you were asked for it:")
	case code == "":
		return w.T("Open this link:")
	}
	return w.T("Enter this code where you were asked for it, or open the link:")
}

// works says how long they are good.
func (w words) works(code, link string, life time.Duration) string {
	switch {
	case link == "":
		return w.T("The code works once, for {0}.", w.span(life))
	case code == "":
		return w.T("The link works once, for {0}.", w.span(life))
	}
	return w.T("The code or the link works once, for {0}.", w.span(life))
}

// span is a length of time as people say it, rounded up.
func (w words) span(d time.Duration) string {
	up := func(unit time.Duration) int { return int((d + unit - 1) / unit) }
	switch {
	case d < time.Hour:
		return w.N(up(time.Minute), "1 minute", "{n} minutes")
	case d < day:
		return w.N(up(time.Hour), "1 hour", "{n} hours")
	}
	return w.N(up(day), "1 day", "{n} days")
}

// when is a moment, the same to everybody in the world.
func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
