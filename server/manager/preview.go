package manager

import "net/http"

// Preview implements ServerInterface.
func (m *Manager) Preview(w http.ResponseWriter, _ *http.Request) {
	fail(w, problem(http.StatusNotImplemented, "internal", "previews are not built yet"))
}
