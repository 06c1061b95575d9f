package web

import (
	"bytes"
	"errors"
	"image"
	_ "image/gif"  // the formats a logo may have
	_ "image/jpeg" // "
	"image/png"
	"net/http"
	"sync"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // "

	"github.com/valetkey/valetkey/oauth"
)

// Bounds of a logo: what comes in, and what is kept.
const (
	maxSide   = 4096
	maxPixels = 16 << 20
	keptSide  = 512
)

// Why a picture isn't taken.
var (
	errKind = errors.New("not a picture of a known kind")
	errSize = errors.New("the picture has too many pixels")
)

// decoding lets one picture be decoded at a time: 16 megapixels are 64 MB.
var decoding sync.Mutex

// remakeLogo decodes a picture and encodes what it shows as a PNG of at most
// 512×512. Nothing of the input's bytes survives: no script, no metadata, no
// second meaning. The size is judged before anything is allocated.
func remakeLogo(in []byte) ([]byte, error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(in))
	switch {
	case errors.Is(err, image.ErrFormat):
		return nil, errKind
	case err != nil:
		return nil, err
	case config.Width < 1 || config.Height < 1 || config.Width > maxSide || config.Height > maxSide, config.Width*config.Height > maxPixels:
		return nil, errSize
	}
	decoding.Lock()
	defer decoding.Unlock()
	full, _, err := image.Decode(bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := png.Encode(&out, shrink(full)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// shrink draws onto a new canvas, so that nothing but pixels is carried over.
func shrink(full image.Image) image.Image {
	from := full.Bounds()
	width, height := from.Dx(), from.Dy()
	if longest := max(width, height); longest > keptSide {
		width, height = max(1, width*keptSide/longest), max(1, height*keptSide/longest)
	}
	small := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.ApproxBiLinear.Scale(small, small.Bounds(), full, from, draw.Src, nil)
	return small
}

// serveLogo sends a PNG that was made here. It is nobody's secret, and its id
// changes with its content.
func (w *Web) serveLogo(rw http.ResponseWriter, r *http.Request) {
	content, err := w.Store.Logo(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		w.NotFound(rw, r)
		return
	case err != nil:
		w.fail(rw, r, err)
		return
	}
	sendPNG(rw, content, "same-origin", "public, max-age=31536000, immutable")
}

// sendPNG sends a picture of ours, as nothing but a picture.
func sendPNG(rw http.ResponseWriter, content []byte, shownOn, kept string) {
	h := rw.Header()
	h.Set("Content-Type", "image/png")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", shownOn)
	h.Set("Cache-Control", kept)
	_, _ = rw.Write(content)
}
