package manager

import (
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
)

// compressFrom is from how many bytes an answer is compressed: what fits in one
// packet takes one all the same.
const compressFrom = 1400

var compressors = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is one that there is
	return w
}}

// compressed sends large answers of JSON compressed to who takes them so: the
// board of 2,000 policies is a megabyte. What tells the session's token is left as
// it is, since the length of a compressed answer tells of what is in it; and so
// are events, which have to arrive one by one.
func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == base+"/session" || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Add("Vary", "Accept-Encoding")
		c := &compressor{ResponseWriter: w}
		defer c.end()
		next.ServeHTTP(c, r)
	})
}

// compressor decides at the first write: an answer is written in one.
type compressor struct {
	http.ResponseWriter
	decided bool
	zip     *gzip.Writer
}

// Unwrap is for http.ResponseController, by which events are flushed.
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// WriteHeader implements http.ResponseWriter: who tells a status writes no large
// answer.
func (c *compressor) WriteHeader(status int) {
	c.decided = true
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *compressor) Write(p []byte) (int, error) {
	if !c.decided {
		c.decided = true
		if h := c.Header(); len(p) >= compressFrom && h.Get("Content-Type") == "application/json" {
			h.Set("Content-Encoding", "gzip")
			c.zip = compressors.Get().(*gzip.Writer)
			c.zip.Reset(c.ResponseWriter)
		}
	}
	if c.zip != nil {
		return c.zip.Write(p)
	}
	return c.ResponseWriter.Write(p)
}

func (c *compressor) end() {
	if c.zip == nil {
		return
	}
	_ = c.zip.Close() // the client is gone if this fails
	compressors.Put(c.zip)
}
