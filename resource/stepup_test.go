package resource_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/resource"
)

// RFC 9470 §3: what to ask for instead.
func TestRequireAuth(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	h := newHolder(t)
	api := s.api(t, c)
	const insufficient = ` error="insufficient_user_authentication", error_description=`
	strong, recent := resource.StepUp{ACR: []string{"2"}}, resource.StepUp{MaxAge: 5 * time.Minute}
	both := resource.StepUp{ACR: []string{"2", "3"}, MaxAge: time.Minute}
	ago := func(d time.Duration) int64 { return start.Add(-d).Unix() }
	tests := []struct {
		name   string
		step   resource.StepUp
		claims map[string]any
		want   string
	}{
		{"strong enough", strong, nil, ""},
		{"too weak", strong, map[string]any{"acr": "1"}, `Bearer` + insufficient + `"another way of signing in is needed", acr_values="2"`},
		{"untold", strong, map[string]any{"acr": nil}, `Bearer` + insufficient + `"another way of signing in is needed", acr_values="2"`},
		{"recent enough", recent, map[string]any{"auth_time": ago(5 * time.Minute)}, ""},
		{"within the leeway", recent, map[string]any{"auth_time": ago(5*time.Minute + 5*time.Second)}, ""},
		{"too long ago", recent, map[string]any{"auth_time": ago(5*time.Minute + 6*time.Second)}, `Bearer` + insufficient + `"a more recent sign-in is needed", max_age="300"`},
		{"time untold", recent, map[string]any{"auth_time": nil}, `Bearer` + insufficient + `"a more recent sign-in is needed", max_age="300"`},
		{"one of two", both, map[string]any{"acr": "3"}, ""},
		{"none of two", both, map[string]any{"acr": "1"}, `Bearer` + insufficient + `"another way of signing in is needed", acr_values="2 3", max_age="60"`},
		{"no step", resource.StepUp{}, map[string]any{"acr": nil, "auth_time": nil}, ""},
		{"a scope first", strong, map[string]any{"acr": "1", "scope": ""}, `Bearer error="insufficient_scope", error_description="the access token lacks a scope", scope="notes:write"`},
	}
	ask := func(step resource.StepUp, r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		api.RequireAuth(step, "notes:write")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		return w
	}
	for _, tt := range tests {
		w := ask(tt.step, notes("Bearer", s.token(t, tt.claims)))
		if got := w.Header().Get("WWW-Authenticate"); got != tt.want || (w.Code == http.StatusOK) != (tt.want == "") {
			t.Errorf("%s: %d %s\nwant %s", tt.name, w.Code, got, tt.want)
		}
	}
	weak := h.cnf()
	weak["acr"] = "1"
	token := s.token(t, weak)
	w := ask(strong, notes("DPoP", token, h.proof(token)))
	if got := w.Header().Values("WWW-Authenticate"); w.Code != http.StatusUnauthorized || len(got) != 1 || !strings.HasPrefix(got[0], `DPoP`+insufficient) || !strings.Contains(got[0], `, acr_values="2", algs="`) {
		t.Errorf("by DPoP: %d %v", w.Code, got)
	}
	if w := ask(strong, notes("Bearer", s.token(t, map[string]any{"acr": "1"}))); !strings.Contains(w.Body.String(), `"insufficient_user_authentication"`) {
		t.Errorf("body %s", w.Body)
	}
	if w := ask(strong, httptest.NewRequest(http.MethodGet, "/", nil)); w.Header().Get("WWW-Authenticate") != `Bearer scope="notes:write"` {
		t.Errorf("nothing sent: %v", w.Header())
	}
}
