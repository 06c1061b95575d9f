package endpoint

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/valetkey/valetkey/internal/failpoint"
)

// noStore: RFC 6749 §5.1.
func noStore(w http.ResponseWriter) {
	h := w.Header()
	h["Cache-Control"] = noStoreValue
	h["Pragma"] = noCacheValue
	h["X-Content-Type-Options"] = noSniffValue
}

// Header values that every answer shares, so that none allocates them.
var (
	noStoreValue = []string{"no-store"}
	noCacheValue = []string{"no-cache"}
	noSniffValue = []string{"nosniff"}
	jsonValue    = []string{"application/json"}
)

// writeJSON sends one JSON document whole.
func writeJSON(w http.ResponseWriter, status int, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h["Content-Type"] = jsonValue
	h["X-Content-Type-Options"] = noSniffValue
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	failpoint.Hit("before-answer")
	w.WriteHeader(status)
	failpoint.Half(w, body)
	_, _ = w.Write(body)
}

// writeText sends a compact JWT, or other text, whole.
func writeText(w http.ResponseWriter, kind, text string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h["X-Content-Type-Options"] = noSniffValue
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	_, _ = io.WriteString(w, text)
}
