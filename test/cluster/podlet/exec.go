package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// kubeletPort is where the API server looks for the node's kubelet.
const kubeletPort = 10250

// serve answers the API server's calls of the kubelet until the context ends.
// Who has a certificate of the cluster's authority may ask.
func serve(ctx context.Context, s settings, p *pods) error {
	pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(s.authority)
	if err != nil {
		return err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(authority) {
		return fmt.Errorf("%s holds no certificate", s.authority)
	}
	listen, err := net.Listen("tcp", net.JoinHostPort(s.address.String(), strconv.Itoa(kubeletPort)))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", p.serveExec)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}, // the streams take the connection over
	}}
	go func() {
		if err := server.ServeTLS(listen, "", ""); !errors.Is(err, http.ErrServerClosed) {
			log.Print("kubelet API: ", err)
		}
	}()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

func (p *pods) serveExec(w http.ResponseWriter, r *http.Request) {
	o, err := p.client.CoreV1().Pods(r.PathValue("namespace")).Get(r.Context(), r.PathValue("pod"), metav1.GetOptions{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	one := p.find(o.UID)
	if one == nil {
		http.Error(w, "the pod does not run here", http.StatusNotFound)
		return
	}
	streams, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, executor{one}, o.Name, string(o.UID), r.PathValue("container"), r.URL.Query()["command"], streams,
		4*time.Hour, 30*time.Second, remotecommand.SupportedStreamingProtocols)
}

// executor runs commands in a pod.
type executor struct{ pod *pod }

// ExecInContainer runs a command and returns when it has ended; an exit code
// other than 0 is the error that the protocol has for it.
func (e executor) ExecInContainer(_ context.Context, _ string, _ string, _ string, command []string, in io.Reader, out, errOut io.WriteCloser,
	_ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	c := e.pod.command(command, nil)
	c.Stdin = in
	if out != nil {
		c.Stdout = out
	}
	if errOut != nil {
		c.Stderr = errOut
	}
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}
	}
	return err
}

var _ remotecommand.Executor = executor{}
