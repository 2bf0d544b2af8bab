// Command tierwall is the product: agent and server, and the commands that explain,
// check and test policy. Named kubectl-tierwall it is a kubectl plugin.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tierwall/tierwall/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := cli.New(os.Args[0], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	root.AddCommand(cli.AgentCommand(), cli.ServerCommand())
	code := cli.Execute(ctx, root, os.Args[1:])
	stop()
	os.Exit(code)
}
