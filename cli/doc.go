// Package cli is the command line of tierwall: flags, reading of input, exit
// codes and output. What the commands answer is computed by packages analysis
// and policytest; here it is only asked for and shown.
//
// New makes the root command with every command that looks at policy; a program
// adds its own to it and ends with os.Exit(cli.Execute(...)). Exit codes are
// those of commands.md: 0 and 1 are the two answers of a command, 2 is an error,
// a wrong flag included.
package cli
