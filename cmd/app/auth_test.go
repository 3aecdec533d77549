package app

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"tandem/config"
)

func TestMetricsAuth(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	h := protected(config.MetricsAuth{Username: "prom", PasswordHash: string(hash)}, http.NotFoundHandler())
	for _, tt := range []struct {
		user, password string
		want           int
	}{{"prom", "secret", 404}, {"prom", "wrong", 401}, {"other", "secret", 401}, {"", "", 401}} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		if tt.user != "" {
			r.SetBasicAuth(tt.user, tt.password)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s:%s gets %d", tt.user, tt.password, w.Code)
		}
	}
}
