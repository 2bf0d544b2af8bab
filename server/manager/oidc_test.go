package manager

import (
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

// TestAuthStyle: how the secret is shown follows from what the provider says.
func TestAuthStyle(t *testing.T) {
	for _, row := range []struct {
		secret  string
		methods []string
		want    oauth2.AuthStyle
	}{
		{"", nil, oauth2.AuthStyleInParams},
		{"", []string{"client_secret_basic"}, oauth2.AuthStyleInParams},
		{"s", nil, oauth2.AuthStyleInHeader},
		{"s", []string{"client_secret_post", "client_secret_basic"}, oauth2.AuthStyleInHeader},
		{"s", []string{"client_secret_post"}, oauth2.AuthStyleInParams},
	} {
		if got := authStyle(row.secret, row.methods); got != row.want {
			t.Errorf("%q %v: %v, want %v", row.secret, row.methods, got, row.want)
		}
	}
	if got := sentence("it is <b>. so."); got != "It is <b>. so." {
		t.Error(got)
	}
}

// TestLocalPath: a login leads to these pages and nowhere else.
func TestLocalPath(t *testing.T) {
	for place, want := range map[string]string{
		"": "/", "/": "/", "/policies?q=a": "/policies?q=a", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/", "javascript:alert(1)": "/", "evil": "/", "/\t/evil.example": "/", "/\n/evil.example": "/",
		"/" + strings.Repeat("a", 3000): "/",
	} {
		if got := localPath(place); got != want {
			t.Errorf("%.40q: %.40q, want %q", place, got, want)
		}
	}
}
