package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// report is what the demo prints. Nobody can be told that it could not be printed.
type report struct {
	w      io.Writer
	number int
}

func (r *report) title() {
	r.line("Tine: lose a collection, and have it back as it was the moment before")
}

// step prints a step's title, plays it, and prints how long it took under what it said.
func (r *report) step(title string, play func() error) error {
	r.number++
	r.line("")
	r.line("%d. %s", r.number, title)
	start := time.Now()
	if err := play(); err != nil {
		return fmt.Errorf("step %d: %w", r.number, err)
	}
	r.say("(%s)", duration(time.Since(start)))
	return nil
}

// say prints a line of a step.
func (r *report) say(format string, args ...any) { r.line("   "+format, args...) }

func (r *report) line(format string, args ...any) { _, _ = fmt.Fprintf(r.w, format+"\n", args...) }

// next prints what can be tried now. The passwords are those of clusters that hold nothing but the demo's data.
func (r *report) next(source, fork cluster) {
	r.line("")
	r.line("Tine goes on running. Try next:")
	for _, command := range []string{
		"bin/tine cluster list",
		"bin/tine cluster history " + source.Name,
		"bin/tine cluster fork " + source.Name + " shop-now --wait",
		"bin/tine cluster fork " + source.Name + " shop-a-minute-ago --at 1m --wait",
		"TINE_PASSWORD=" + fork.Password + " bin/tine cluster connect " + fork.Name,
		"bin/tine cluster destroy " + fork.Name,
		"make demo-stop",
	} {
		r.say("%s", command)
	}
}

// duration is a time as people read it: three digits are enough.
func duration(d time.Duration) string {
	const ten = 10 * time.Second
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < ten:
		return fmt.Sprintf("%.2f s", d.Seconds())
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// thousands writes a number with commas.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	const group = 3
	var groups []string
	for len(digits) > group {
		groups = append([]string{digits[len(digits)-group:]}, groups...)
		digits = digits[:len(digits)-group]
	}
	return strings.Join(append([]string{digits}, groups...), ",")
}
