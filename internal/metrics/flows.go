package metrics

import "github.com/prometheus/client_golang/prometheus"

// maxWords bounds the values of a label that come from elsewhere, such as an
// embedder's grants; more than these are "other".
const maxWords = 100

const other = "other"

// Rules counts what the protocol's rules decided.
type Rules struct {
	authorized resolved[string, prometheus.Counter]
	redeemed   resolved[pair, prometheus.Counter]
	consented  [2]prometheus.Counter
	inspected  [2]prometheus.Counter
}

type pair struct{ first, second string }

func (r *Rules) register(m *Metrics) {
	authorized := m.counter("authorizations_total", "Authorization requests that ended: with a code, an error's code, or on a page.", "outcome")
	redeemed := m.counter("tokens_total", "Token requests that ended, by grant: ok, or an error's code.", "grant", "outcome")
	consents := m.counter("consents_total", "Consents that people were asked for: allowed or denied.", "decision")
	inspections := m.counter("introspections_total", "Introspections that were answered, by whether the token was active.", "active")
	r.authorized.make = func(outcome string) prometheus.Counter { return authorized.WithLabelValues(outcome) }
	r.redeemed.make = func(p pair) prometheus.Counter { return redeemed.WithLabelValues(p.first, p.second) }
	r.consented = [2]prometheus.Counter{consents.WithLabelValues("denied"), consents.WithLabelValues("allowed")}
	r.inspected = [2]prometheus.Counter{inspections.WithLabelValues("false"), inspections.WithLabelValues("true")}
	r.authorized.of("code")
	r.authorized.of("page")
}

// Authorized implements oauth.Meter.
func (r *Rules) Authorized(outcome string) { bounded(&r.authorized, outcome, other).Inc() }

// Redeemed implements oauth.Meter.
func (r *Rules) Redeemed(grant, outcome string) {
	if grant == "" {
		grant = "unknown"
	}
	bounded(&r.redeemed, pair{grant, outcome}, pair{other, other}).Inc()
}

// Consented implements oauth.Meter.
func (r *Rules) Consented(allowed bool) { r.consented[index(allowed)].Inc() }

// Introspected implements oauth.Meter.
func (r *Rules) Introspected(active bool) { r.inspected[index(active)].Inc() }

// SignIns counts how sign-ins ended.
type SignIns struct {
	ended resolved[pair, prometheus.Counter]
}

func (s *SignIns) register(m *Metrics) {
	ended := m.counter("sign_ins_total", "Sign-ins that ended, by way: ok, wrong, slowed, busy, stale, unlinked, gone or failed.", "way", "outcome")
	s.ended.make = func(p pair) prometheus.Counter { return ended.WithLabelValues(p.first, p.second) }
}

// SignedIn implements login.Meter.
func (s *SignIns) SignedIn(way, outcome string) {
	if way == "" {
		way = "none"
	}
	bounded(&s.ended, pair{way, outcome}, pair{other, outcome}).Inc()
}

// Mails counts what became of letters.
type Mails struct {
	ended resolved[string, prometheus.Counter]
}

func (l *Mails) register(m *Metrics) {
	ended := m.counter("mails_total", "Tries to send a letter: sent, postponed, refused, given_up, expired or unreadable.", "outcome")
	l.ended.make = func(outcome string) prometheus.Counter { return ended.WithLabelValues(outcome) }
}

// Ended implements mail.Config.Ended.
func (l *Mails) Ended(outcome string) { l.ended.of(outcome).Inc() }

// bounded is the counter of a key, or that of all the others when there are too
// many.
func bounded[K comparable](r *resolved[K, prometheus.Counter], key, rest K) prometheus.Counter {
	if m := r.current.Load(); m != nil {
		if c, ok := (*m)[key]; ok {
			return c
		}
	}
	if r.size() >= maxWords {
		key = rest
	}
	return r.of(key)
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}
