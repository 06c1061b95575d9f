package web

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Brand is how an operator's pages look. Zero values are our own looks.
type Brand struct {
	Name   string      // above every page; "" is Config.Name
	Logo   []byte      // PNG, JPEG, GIF or WebP; shown instead of the mark
	Accent string      // #rrggbb, of links and buttons on light ground
	Dark   string      // the same on dark ground; "" is the accent, made light enough
	Links  []BrandLink // at the foot of every page
	CSS    []byte      // the operator's own, after ours
}

// BrandLink leads to a page of the operator's: help, privacy, terms.
type BrandLink struct{ Text, URL string }

// look is a brand made ready to be shown.
type look struct {
	Name string
	Logo string // path, "" for the mark
	CSS  string // path, "" for ours alone
	Foot []BrandLink
}

// The grounds of style.css on which an accent stands.
const (
	lightGround = "#ffffff"
	darkGround  = "#16201f"
	nearBlack   = "#06211f"
)

// contrastNeeded: WCAG 2.2 §1.4.3, for text.
const contrastNeeded = 4.5

// ready judges a brand and puts its files beside ours.
func (b Brand) ready(id, name string, s *static) (look, error) {
	l := look{Name: name, Foot: b.Links}
	if b.Name != "" {
		l.Name = b.Name
	}
	for _, link := range b.Links {
		if safeLink(link.URL) == "" || link.Text == "" {
			return l, fmt.Errorf("brand: the link %q needs words and an https address", link.Text)
		}
	}
	if len(b.Logo) > 0 {
		png, err := remakeLogo(b.Logo)
		if err != nil {
			return l, fmt.Errorf("brand: logo: %w", err)
		}
		l.Logo = s.add("logo"+id+".png", png)
	}
	css, err := b.css()
	if err != nil || css == "" {
		return l, err
	}
	l.CSS = s.add("brand"+id+".css", []byte(css))
	return l, nil
}

// css sets the tokens of style.css.
func (b Brand) css() (string, error) {
	out := ""
	if b.Accent != "" {
		light, err := accent("accent", b.Accent, lightGround, -1)
		if err != nil {
			return "", err
		}
		given := b.Dark
		if given == "" {
			given = lighten(b.Accent)
		}
		dark, err := accent("accent-dark", given, darkGround, 1)
		if err != nil {
			return "", err
		}
		out = ":root{" + light + "}@media (prefers-color-scheme:dark){:root{" + dark + "}}\n"
	} else if b.Dark != "" {
		return "", errors.New("brand: accent-dark needs accent beside it")
	}
	return out + string(b.CSS), nil
}

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// accent judges a colour against its ground and picks the text that stands on
// it: WCAG 2.2 §1.4.3.
func accent(key, colour, ground string, direction float64) (string, error) {
	if !hexColour.MatchString(colour) {
		return "", fmt.Errorf("brand: %s %q is no colour such as #0b5c63", key, colour)
	}
	if c := contrast(colour, ground); c < contrastNeeded {
		return "", fmt.Errorf("brand: %s %s has a contrast of %.1f to its ground %s; text needs %.1f", key, colour, c, ground, contrastNeeded)
	}
	on := "#ffffff"
	if contrast(colour, nearBlack) > contrast(colour, on) {
		on = nearBlack
	}
	if c := contrast(colour, on); c < contrastNeeded {
		return "", fmt.Errorf("brand: %s %s lets no text be read on it (contrast %.1f)", key, colour, c)
	}
	return "--accent:" + colour + ";--accent-strong:" + mix(colour, direction*.18) + ";--on-accent:" + on, nil
}

func channels(colour string) [3]float64 {
	var c [3]float64
	for i := range c {
		n, _ := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8) // hexColour matched
		c[i] = float64(n) / 255
	}
	return c
}

// luminance: WCAG 2.2, relative luminance.
func luminance(colour string) float64 {
	sum := 0.0
	for i, weight := range [3]float64{.2126, .7152, .0722} {
		v := channels(colour)[i]
		if v <= .04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// mix moves a colour towards white (positive) or black.
func mix(colour string, by float64) string {
	out := "#"
	for _, v := range channels(colour) {
		if by > 0 {
			v += (1 - v) * by
		} else {
			v += v * by
		}
		out += fmt.Sprintf("%02x", int(math.Round(v*255)))
	}
	return out
}

// lighten makes an accent for light ground fit for dark.
func lighten(colour string) string {
	if !hexColour.MatchString(colour) {
		return colour
	}
	for range 20 {
		if contrast(colour, darkGround) >= contrastNeeded+1 {
			break
		}
		colour = mix(colour, .12)
	}
	return colour
}

// brandsReady makes the brand of the server and those of single apps.
func (w *Web) brandsReady() (err error) {
	if w.look, err = w.Brand.ready("", w.Name, w.static); err != nil {
		return err
	}
	w.looks = map[string]look{}
	n := 0
	for id, b := range w.Brands {
		n++
		if b.Accent == "" {
			b.Accent, b.Dark = w.Brand.Accent, w.Brand.Dark
		}
		if b.Logo == nil {
			b.Logo = w.Brand.Logo
		}
		if b.Links == nil {
			b.Links = w.Brand.Links
		}
		if b.CSS == nil {
			b.CSS = w.Brand.CSS
		}
		if b.Name == "" {
			b.Name = w.Brand.Name
		}
		if w.looks[id], err = b.ready("-"+strconv.Itoa(n), w.Name, w.static); err != nil {
			return fmt.Errorf("%w (of the app %s)", err, id)
		}
	}
	return nil
}

// looksLike is the brand of a request: its app's own, once its interaction is
// open, else the server's.
func (w *Web) looksLike(r *http.Request) look {
	if s, ok := r.Context().Value(speechKey{}).(*speech); ok && s.client != "" {
		if own, ok := w.looks[s.client]; ok {
			return own
		}
	}
	return w.look
}

// CheckBrand says what is wrong with a brand, before a server starts with it.
func CheckBrand(b Brand) error {
	_, err := b.ready("", strings.TrimSpace(b.Name), &static{paths: map[string]string{}, files: map[string][]byte{}})
	return err
}
