package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// bootstrap unpacks and configures the packages in root, by mmdebstrap in a process and a mount namespace of its own:
// if it or this process is killed, the kernel ends whatever it started and removes what it mounted.
func (i *installer) bootstrap(ctx context.Context, root string) error {
	path, err := exec.LookPath(i.command)
	if err != nil {
		return fmt.Errorf("the command %s is missing: install the package mmdebstrap", i.command)
	}
	cmd := exec.CommandContext(ctx, path, i.arguments(root)...)
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS, Setsid: true, Pdeathsig: unix.SIGKILL,
	}
	messages, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	failure := make(chan string, 1)
	go func() { failure <- i.report(messages) }()

	i.progress("fetching packages from " + i.mirror)
	// The kernel takes the death of the starting thread for that of the process (Pdeathsig).
	runtime.LockOSThread()
	err = cmd.Run()
	runtime.UnlockOSThread()
	_ = writer.Close()
	said := <-failure
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("mmdebstrap: %s: %w", said, err)
	}
	return nil
}

// arguments are chosen so that the result is small and quick to make, and still a Debian whose apt works.
func (i *installer) arguments(root string) []string {
	args := []string{
		"--variant=apt",
		// The index of sid on snapshots and slow mirrors is often past its date.
		`--aptopt=Acquire::Check-Valid-Until "false"`,
		// All is synced at the end, before the engine gets its name.
		"--dpkgopt=force-unsafe-io",
	}
	for _, dir := range []string{"doc", "man", "info", "locale", "i18n", "lintian"} {
		args = append(args, "--dpkgopt=path-exclude=/usr/share/"+dir+"/*")
	}
	const conf = `"$1/etc/postgresql-common/createcluster.d"`
	return append(args,
		// Debian's package would run initdb for a server of its own.
		`--essential-hook=mkdir -p `+conf+` && echo "create_main_cluster = false" > `+conf+`/tine.conf`,
		"--include=postgresql-18,postgresql-18-documentdb", "sid", root, i.mirror)
}

// report turns mmdebstrap's messages into progress, and returns its last complaint when they end.
func (i *installer) report(messages io.Reader) string {
	complaint := "no message"
	lines := bufio.NewScanner(messages)
	for lines.Scan() {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "E: "); ok && text != "run_chroot failed" {
			complaint = text
		}
		for _, step := range steps() {
			if strings.HasPrefix(line, step.message) {
				i.progress(step.text)
			}
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.EOF) {
		// A line longer than the scanner's buffer: go on reading, or mmdebstrap would wait for ever.
		_, _ = io.Copy(io.Discard, messages)
	}
	return complaint
}

type step struct{ message, text string }

// steps are the messages of mmdebstrap that tell how far it is.
func steps() []step {
	return []step{
		{"I: downloading packages", "downloading the base system"},
		{"I: extracting archives", "unpacking the base system"},
		{"I: installing essential packages", "setting up the base system"},
		{"I: installing remaining packages", "installing PostgreSQL and DocumentDB"},
		{"I: cleaning", "cleaning up"},
	}
}
