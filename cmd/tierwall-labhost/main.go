// Command tierwall-labhost is the process inside each machine and pod of the
// lab: package labhost as a program. tierwall-standalone can be it too; this
// one starts in two milliseconds instead of a hundred, and a lab has dozens.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tierwall/tierwall/labhost"
)

func main() {
	if err := labhost.Run(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "lab host:", err)
		os.Exit(1)
	}
}
