package web

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"testing"
)

func picture(width, height int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.NRGBA{R: uint8(x), G: uint8(y), B: 120, A: 255})
		}
	}
	return m
}

func encoded(t testing.TB, m image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	ok(t, png.Encode(&out, m))
	return out.Bytes()
}

func tinyPNG(t testing.TB) []byte { return encoded(t, picture(8, 8)) }

// hugePNG claims a size that nobody should allocate.
func hugePNG(t testing.TB, side uint32) []byte {
	small := tinyPNG(t)
	big := bytes.Clone(small)
	binary.BigEndian.PutUint32(big[16:], side)
	binary.BigEndian.PutUint32(big[20:], side)
	binary.BigEndian.PutUint32(big[29:], crc32.ChecksumIEEE(big[12:29]))
	return big
}

func TestRemakeLogo(t *testing.T) {
	var asGIF, asJPEG bytes.Buffer
	ok(t, gif.Encode(&asGIF, picture(20, 10), nil))
	ok(t, jpeg.Encode(&asJPEG, picture(30, 20), nil))
	script := []byte("<script>alert(1)</script>")
	for name, row := range map[string]struct {
		in            []byte
		want          error
		width, height int
	}{
		"png":                {in: tinyPNG(t), width: 8, height: 8},
		"gif":                {in: asGIF.Bytes(), width: 20, height: 10},
		"jpeg":               {in: asJPEG.Bytes(), width: 30, height: 20},
		"made smaller":       {in: encoded(t, picture(1024, 256)), width: 512, height: 128},
		"never to nothing":   {in: encoded(t, picture(2000, 1)), width: 512, height: 1},
		"with a page behind": {in: append(tinyPNG(t), script...), width: 8, height: 8},
		"gif with script":    {in: append(asGIF.Bytes(), script...), width: 20, height: 10},
		"svg":                {in: []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`), want: errKind},
		"html":               {in: script, want: errKind},
		"empty":              {in: []byte{}, want: errKind},
		"50000 on a side":    {in: hugePNG(t, 50_000), want: errSize},
	} {
		out, err := remakeLogo(row.in)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if row.want != nil {
			continue
		}
		config, kind, err := image.DecodeConfig(bytes.NewReader(out))
		if err != nil || kind != "png" || config.Width != row.width || config.Height != row.height || bytes.Contains(out, []byte("script")) {
			t.Errorf("%s: %v %s %d×%d", name, err, kind, config.Width, config.Height)
		}
	}
}

func FuzzRemakeLogo(f *testing.F) {
	f.Add(tinyPNG(f))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"))
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := remakeLogo(in)
		if err != nil {
			return
		}
		config, kind, err := image.DecodeConfig(bytes.NewReader(out))
		if err != nil || kind != "png" || config.Width > keptSide || config.Height > keptSide {
			t.Fatalf("%v %s %v", err, kind, config)
		}
	})
}

// multi writes a multipart form with a logo.
func multi(t testing.TB, fields url.Values, filename string, logo []byte) (kind string, body []byte) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for name, values := range fields {
		for _, v := range values {
			ok(t, w.WriteField(name, v))
		}
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="logo"; filename="` + filename + `"`}, "Content-Type": {"image/svg+xml"},
	})
	ok(t, err)
	_, err = part.Write(logo)
	ok(t, err)
	ok(t, w.Close())
	return w.FormDataContentType(), out.Bytes()
}

// Cases 224 to 228 at the form.
func TestLogoUpload(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	for name, row := range map[string]struct {
		file   string
		logo   []byte
		status int
		words  string
	}{
		"svg":         {"x.svg", []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), 415, "SVG"},
		"svg as png":  {"x.png", []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), 415, "SVG"},
		"too many px": {"x.png", hugePNG(t, 5000), 422, "4096"},
		"too large":   {"x.png", make([]byte, maxLogo+1), 413, "1 MiB"},
		"odd name":    {"../../etc/x", tinyPNG(t), 200, `id="client-secret"`},
		"long name":   {strings.Repeat("a", 4000), tinyPNG(t), 200, `id="client-secret"`},
		"none":        {"", nil, 200, `id="client-secret"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, fields := formIn(t, v.get("/developer/apps/new").text, "app-form")
			fields.Set("name", "Notes")
			fields.Set("callbacks", "https://app.example/cb")
			kind, body := multi(t, fields, row.file, row.logo)
			v.do("POST", "/developer/apps/new", kind, body).has(t, row.status, row.words)
		})
	}
	apps, err := h.Store.ListClients(t.Context(), &ada.Subject, "", 10)
	ok(t, err)
	if len(apps) != 3 {
		t.Errorf("%d apps", len(apps))
	}
	for _, app := range apps {
		if app.LogoID == "" {
			continue
		}
		a := v.get("/logos/" + app.LogoID)
		if a.Code != 200 || a.Header().Get("Content-Type") != "image/png" || a.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.Header().Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%d %v", a.Code, a.Header())
		}
	}
}

// Case 229.
func TestUploadLimits(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	var parts, headers bytes.Buffer
	w := multipart.NewWriter(&parts)
	for range 10_000 {
		ok(t, w.WriteField("scope", "x"))
	}
	ok(t, w.Close())
	w2 := multipart.NewWriter(&headers)
	head := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="name"`}}
	for i := range 1000 {
		head.Set("X-"+strings.Repeat("a", 1+i%50)+string(rune('a'+i%26)), "1")
	}
	_, err := w2.CreatePart(head)
	ok(t, err)
	ok(t, w2.Close())
	for name, row := range map[string]struct {
		kind   string
		body   []byte
		status int
	}{
		"10000 parts":  {w.FormDataContentType(), parts.Bytes(), 400},
		"1000 headers": {w2.FormDataContentType(), headers.Bytes(), 400},
		"no boundary":  {"multipart/form-data", []byte("x"), 400},
		"100 MB":       {"multipart/form-data; boundary=b", append([]byte("--b\r\nContent-Disposition: form-data; name=\"logo\"; filename=x\r\n\r\n"), make([]byte, 100<<20)...), 413},
		"json":         {"application/json", []byte(`{"name":"x"}`), 400},
	} {
		if a := v.do("POST", "/developer/apps/new", row.kind, row.body); a.Code != row.status {
			t.Errorf("%s: %d", name, a.Code)
		}
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	ok(t, err)
	if len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}
