// Command image writes a container image as an archive, without a container
// engine: a layer with the given files, and a configuration. `ctr images import`,
// `docker load` and `podman load` read it. The same input gives the same bytes.
//
//	image -o FILE -name NAME:TAG... [-entrypoint WORD]... [-cmd WORD]... [-user UID] [-from FILE:PATH]... [-link TARGET:PATH]...
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
)

// list is a flag that can be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set adds a value.
func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// image is what to write.
type image struct {
	names       list
	files       list // FILE:PATH
	links       list // TARGET:PATH
	directories list
	entrypoint  list
	cmd         list
	user        string
}

func main() {
	var i image
	out := flag.String("o", "", "archive to write")
	flag.Var(&i.names, "name", "NAME:TAG of the image")
	flag.Var(&i.files, "from", "FILE:PATH, a file of this machine and where it stands in the image")
	flag.Var(&i.links, "link", "TARGET:PATH, a symbolic link in the image")
	flag.Var(&i.directories, "dir", "an empty directory in the image, that everybody may write to")
	flag.Var(&i.entrypoint, "entrypoint", "a word of the command that containers run")
	flag.Var(&i.cmd, "cmd", "a word that follows it, if the container has no arguments of its own")
	flag.StringVar(&i.user, "user", "0", "user that containers run as")
	flag.Parse()
	if err := write(*out, i); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func write(out string, i image) error {
	if out == "" || len(i.names) == 0 {
		return errors.New("-o and -name are needed")
	}
	layer, err := i.layer()
	if err != nil {
		return err
	}
	digest := sha256.Sum256(layer)
	id := hex.EncodeToString(digest[:])
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.entrypoint, "Cmd": i.cmd, "User": i.user, "WorkingDir": "/", "Env": []string{"PATH=/bin:/"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + id}},
	})
	if err != nil {
		return err
	}
	digest = sha256.Sum256(config)
	configName := hex.EncodeToString(digest[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": i.names, "Layers": []string{id + ".tar"}}})
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range []struct {
		name    string
		content []byte
	}{{id + ".tar", layer}, {configName, config}, {"manifest.json", manifest}} {
		if err := add(w, f.name, f.content, 0o644); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	next := out + ".next"
	if err := os.WriteFile(next, archive.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(next, out)
}

// layer is the image's file system. Files can be read and run by everybody.
func (i image) layer() ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, d := range i.parents() {
		if err := w.WriteHeader(&tar.Header{Name: d + "/", Typeflag: tar.TypeDir, Mode: 0o755, Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
	}
	for _, d := range i.directories {
		if err := w.WriteHeader(&tar.Header{Name: strings.Trim(d, "/") + "/", Typeflag: tar.TypeDir, Mode: 0o1777, Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
	}
	for _, f := range i.files {
		from, to, ok := strings.Cut(f, ":")
		if !ok {
			return nil, fmt.Errorf("-from %s: write FILE:PATH", f)
		}
		content, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		if err := add(w, strings.TrimPrefix(to, "/"), content, 0o755); err != nil {
			return nil, err
		}
	}
	for _, l := range i.links {
		target, at, ok := strings.Cut(l, ":")
		if !ok {
			return nil, fmt.Errorf("-link %s: write TARGET:PATH", l)
		}
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(at, "/"), Linkname: target, Typeflag: tar.TypeSymlink, Mode: 0o777, Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// parents are the directories that files and links stand in, outer ones first.
func (i image) parents() []string {
	var all []string
	for _, pair := range slices.Concat(i.files, i.links) {
		_, at, _ := strings.Cut(pair, ":")
		for d := path.Dir(strings.TrimPrefix(at, "/")); d != "."; d = path.Dir(d) {
			all = append(all, d)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func add(w *tar.Writer, name string, content []byte, mode int64) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: mode, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := io.Copy(w, bytes.NewReader(content))
	return err
}
