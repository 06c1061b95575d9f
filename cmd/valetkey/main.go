// Command valetkey is the server and what an operator does beside it: one file
// a command.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set at build: -ldflags "-X main.version=…".
var version = "dev"

// commands is the command line; each command's Run is in the file of its name.
type commands struct {
	Settings `embed:"" group:"Settings:"`

	Demo              demoCmd              `cmd:"" help:"Try everything in one process, with nothing on disk."`
	Serve             serveCmd             `cmd:"" help:"Run the server."`
	User              userCmd              `cmd:"" help:"Create, list, show, disable, enable, delete users; set passwords."`
	Client            clientCmd            `cmd:"" help:"Create, list, show, update, delete apps; replace secrets."`
	RegistrationToken registrationTokenCmd `cmd:"" help:"Create, list, delete the tokens with which apps register themselves."`
	Connector         connectorCmd         `cmd:"" help:"List other providers that people sign in with, and try them out."`
	Scope             scopeCmd             `cmd:"" help:"Declare scopes in words people can read."`
	Resource          resourceCmd          `cmd:"" help:"Declare the APIs that take tokens."`
	Key               keyCmd               `cmd:"" help:"List and rotate signing keys."`
	Login             loginCmd             `cmd:"" help:"Sign in to an app through the browser and print its tokens."`
	Migrate           migrateCmd           `cmd:"" help:"Bring the database's schema up to date."`
	Backup            backupCmd            `cmd:"" help:"Copy the database to a file, beside a running server."`
	Restore           restoreCmd           `cmd:"" help:"Fill an empty database with a backup."`
	Move              moveCmd              `cmd:"" help:"Copy the database into an empty one, such as from SQLite to PostgreSQL."`
	Health            healthCmd            `cmd:"" help:"Ask a running server whether it lives."`
	Doctor            doctorCmd            `cmd:"" help:"Look whether everything is as it should be, and say what to do."`
	Secret            secretCmd            `cmd:"" help:"Print a new master secret, for nodes that share one."`
	Version           versionCmd           `cmd:"" help:"Print the version."`
}

// Exit codes: CONTRACT §1.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], console{os.Stdin, os.Stdout, os.Stderr}))
}

// console is where a command reads and writes.
type console struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// usageError is the caller's mistake, not a failure.
type usageError struct{ error }

// run parses and runs one command line and returns its exit code.
func run(ctx context.Context, args []string, c console) (code int) {
	var cmds commands
	type exit int
	defer func() {
		if e, ok := recover().(exit); ok {
			code = int(e)
		}
	}()
	parser, err := kong.New(&cmds,
		kong.Name("valetkey"),
		kong.Description("An OAuth 2.0 and OpenID Connect authorization server. A valet key starts the car and opens nothing else."),
		kong.Writers(c.out, c.err), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(c),
	)
	if err != nil {
		return report(c, err)
	}
	loaded.args = args
	parsed, err := parser.Parse(args)
	if err != nil {
		return report(c, usageError{cmds.explain(args, err)})
	}
	return report(c, parsed.Run(&cmds.Settings))
}

// report prints an error as one line.
func report(c console, err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintln(c.err, "valetkey:", oneLine(err))
		return exitUsage
	default:
		fmt.Fprintln(c.err, "valetkey:", oneLine(err))
		return exitFail
	}
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
