package manager

import (
	"compress/gzip"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// unbuilt is what is shown where the pages were not built.
const unbuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Tierwall</title>
<h1>The Manager's pages are not in this program</h1>
<p>It was built without them. Run <code>make build</code>, which builds the pages first, and start it again. The API is there all the same.</p></html>
`

// page is one file of the pages, with its compressed form if that is smaller.
type page struct {
	kind         string
	plain, small []byte
	immutable    bool
}

// pages serves the files of the user interface. Every path that is no file is a
// place in the application: it gets index.html.
type pages struct{ files map[string]page }

// newPages reads and compresses all files, once.
func newPages(from fs.FS) *pages {
	p := &pages{files: map[string]page{}}
	_ = fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		data, err := fs.ReadFile(from, name)
		if err == nil {
			p.files[name] = newPage(name, data)
		}
		return err
	})
	return p
}

func newPage(name string, data []byte) page {
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = http.DetectContentType(data)
	}
	// Vite names what is in assets/ after its content
	out := page{kind: kind, plain: data, immutable: strings.HasPrefix(name, "assets/")}
	var b strings.Builder
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if _, err := w.Write(data); err == nil && w.Close() == nil && b.Len() < len(data)*9/10 {
		out.small = []byte(b.String())
	}
	return out
}

// ServeHTTP implements http.Handler.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	file, ok := p.files[name]
	if !ok && strings.HasPrefix(name, "assets/") {
		http.NotFound(w, r)
		return
	}
	if !ok {
		file, ok = p.files["index.html"]
	}
	h := w.Header()
	if !ok {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, unbuilt)
		return
	}
	h.Set("Content-Type", file.kind)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if file.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := file.plain
	if file.small != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = file.small
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}
