package controlplane

import (
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Administrator is the user who may do everything.
const Administrator = "admin"

// administrators is the group of those who may do everything.
const administrators = "system:masters"

// TokenFile is the path of a file with the bearer token of a user: of the
// Administrator, or of one of Options.Users.
func (p *ControlPlane) TokenFile(user string) string { return p.path(user + ".token") }

// tokens makes sure that each user has a token, the same at each start, and that
// the API server knows them.
func (p *ControlPlane) tokens() error {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for _, user := range append([]string{Administrator}, p.options.Users...) {
		token, err := p.token(user)
		if err != nil {
			return fmt.Errorf("token of %s: %w", user, err)
		}
		groups := ""
		if user == Administrator {
			groups = administrators
		}
		if err := w.Write([]string{token, user, user, groups}); err != nil {
			return err
		}
	}
	w.Flush()
	return writeFile(p.path("tokens.csv"), []byte(b.String()))
}

func (p *ControlPlane) token(user string) (string, error) {
	data, err := os.ReadFile(p.TokenFile(user))
	if token := strings.TrimSpace(string(data)); err == nil && token != "" {
		return token, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 24)
	_, _ = rand.Read(random) // does not fail
	token := hex.EncodeToString(random)
	return token, writeFile(p.TokenFile(user), []byte(token+"\n"))
}
