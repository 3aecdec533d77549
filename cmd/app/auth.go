package app

import (
	"crypto/subtle"
	"net/http"

	"golang.org/x/crypto/bcrypt"

	"tandem/config"
)

// protected asks for HTTP Basic credentials, if there are any.
func protected(auth config.MetricsAuth, next http.Handler) http.Handler {
	if auth.Username == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		wrong := bcrypt.CompareHashAndPassword([]byte(auth.PasswordHash), []byte(password))
		if subtle.ConstantTimeCompare([]byte(user), []byte(auth.Username)) != 1 || wrong != nil {
			w.Header().Set("WWW-Authenticate", `Basic realm="tandem metrics"`)
			http.Error(w, "the name or the password of metrics.auth is wrong", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
