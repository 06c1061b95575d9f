package locale

import "strings"

// manners are how a language writes dates, numbers and lists. Where it has a
// pattern, {d} is the day, {m} the month and {y} the year; {date} and {time}
// are what the names say.
type manners struct {
	months     [12]string
	day, exact string
	first      string // how the first of a month is written, "" for 1
	group      string // between thousands
	groupFrom  int    // as many digits as it takes to write it
	comma, and string // in a list
}

var mannersOf = map[string]*manners{
	"en": {
		months: months("January February March April May June July August September October November December"),
		day:    "{d} {m} {y}", exact: "{date}, {time} UTC", group: ",", groupFrom: 4, comma: ", ", and: " and ",
	},
	"de": {
		months: months("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
		day:    "{d}. {m} {y}", exact: "{date}, {time} UTC", group: ".", groupFrom: 4, comma: ", ", and: " und ",
	},
	"fr": {
		months: months("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"), first: "1er",
		day: "{d} {m} {y}", exact: "{date} à {time} UTC", group: "\u202f", groupFrom: 4, comma: ", ", and: " et ",
	},
	"es": {
		months: months("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
		day:    "{d} de {m} de {y}", exact: "{date}, {time} UTC", group: ".", groupFrom: 5, comma: ", ", and: " y ",
	},
	"ja": {
		months: months("1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月"),
		day:    "{y}年{m}{d}日", exact: "{date} {time} UTC", group: ",", groupFrom: 4, comma: "、", and: "、",
	},
	"ar": {
		months: months("يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر"),
		day:    "{d} {m} {y}", exact: "{date}، {time} UTC", group: ",", groupFrom: 4, comma: "، ", and: " و",
	},
}

func months(names string) (out [12]string) {
	copy(out[:], strings.Fields(names))
	return out
}

// List says several names: "a, b and c".
func (l *Locale) List(items []string) string {
	var out strings.Builder
	for i, item := range items {
		switch {
		case i > 0 && i == len(items)-1:
			out.WriteString(l.manners.and)
		case i > 0:
			out.WriteString(l.manners.comma)
		}
		out.WriteString(l.Isolate(item))
	}
	return out.String()
}

// Listed is List without the last "and", for a line of a table.
func (l *Locale) Listed(items []string) string { return strings.Join(items, l.manners.comma) }
