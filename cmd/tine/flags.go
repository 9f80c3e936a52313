package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// momentForms is what a flag for a moment takes, for its help.
const momentForms = "RFC 3339 with any fraction, how long ago, like 90s or 2h, or a time of day in this machine's time zone, like 14:03:07"

var errOutOfRange = errors.New("out of range")

// patience is a flag for how long something may take at most.
type patience time.Duration

// String implements pflag.Value.
func (p *patience) String() string { return time.Duration(*p).String() }

// Type implements pflag.Value.
func (p *patience) Type() string { return "duration" }

// Set implements pflag.Value.
func (p *patience) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errOutOfRange
	}
	*p = patience(d)
	return err //nolint:wrapcheck // flagError says it in words
}

// quantity is a flag for how many there are of something: one at least.
type quantity int

// String implements pflag.Value.
func (q *quantity) String() string { return strconv.Itoa(int(*q)) }

// Type implements pflag.Value.
func (q *quantity) Type() string { return "int" }

// Set implements pflag.Value.
func (q *quantity) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err == nil && n < 1 {
		err = errOutOfRange
	}
	*q = quantity(n)
	return err //nolint:wrapcheck // flagError says it in words
}

var (
	_ pflag.Value = (*patience)(nil)
	_ pflag.Value = (*quantity)(nil)
)

// flagError says in words what pflag says in Go's.
func flagError(err error) error {
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return &usageError{fmt.Sprintf("--%s must be %s; got %q", e.GetFlag().Name, wanted(e.GetFlag().Value.Type()), e.GetValue())}
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return &usageError{fmt.Sprintf("--%s needs a value after it", e.GetFlag().Name)}
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if group := e.GetSpecifiedShortnames(); group != "" {
			return &usageError{fmt.Sprintf("there is no flag -%s; an argument that begins with a hyphen must come behind --", group)}
		}
		return &usageError{"there is no flag --" + e.GetSpecifiedName()}
	}
	return &usageError{err.Error()}
}

// wanted is what a flag of a type takes.
func wanted(kind string) string {
	switch kind {
	case "int":
		return "a whole number of at least 1"
	case "duration":
		return "how long, like 90s, 10m or 2h"
	case "bool":
		return "true or false"
	default:
		return "a " + kind
	}
}

// atMostOne refuses more than one of the flags that say the same thing in different ways. Without one of them a command may do something else, so that one that is given
// must not be empty, as with a script's variable that is not set.
func atMostOne(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		if !f.Changed {
			continue
		}
		if f.Value.String() == "" {
			return &usageError{fmt.Sprintf("--%s must not be empty: give a %s, or leave it out", name, placeholder(f))}
		}
		given = append(given, "--"+name)
	}
	if len(given) > 1 {
		return &usageError{"give only one of " + strings.Join(given, " and ")}
	}
	return nil
}

// placeholder is what the help of a flag calls its value.
func placeholder(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	return name
}
