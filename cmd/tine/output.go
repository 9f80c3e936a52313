package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// The values of --output.
const (
	formatTable = "table"
	formatJSON  = "json"
)

const columnGap = 3

// printJSON prints one value, indented, as programs read it and people can: a URI's & stays one.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// printChanged prints, for programs, a cluster as it is after a change; people have been told in a note.
func (o *clientOptions) printChanged(cmd *cobra.Command, api *client, c cluster) error {
	if o.output != formatJSON {
		return nil
	}
	now, err := api.clusterByID(cmd.Context(), c.ID)
	if err != nil {
		return err
	}
	return printJSON(cmd.OutOrStdout(), now)
}

// printTable prints rows in aligned columns.
func printTable(w io.Writer, header []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, columnGap, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		if err := printText(t, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return flush(t)
}

// field is a line of what is printed of one thing; it is left out if its value is empty.
type field struct{ name, value string }

// printFields prints names and values in two columns.
func printFields(w io.Writer, fields []field) error {
	t := tabwriter.NewWriter(w, 0, 0, columnGap, ' ', 0)
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		if err := printText(t, f.name+"\t"+f.value+"\n"); err != nil {
			return err
		}
	}
	return flush(t)
}

func flush(t *tabwriter.Writer) error {
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

func printText(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// note tells a person what accompanies the output. Nobody can be told that it could not be written.
func note(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}

// moment is a time as --at takes it, to the microsecond.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

// mebibytes is a size as --storage takes it.
func mebibytes(mib uint64) string {
	const gib = 1024
	if mib%gib == 0 {
		return fmt.Sprintf("%dGiB", mib/gib)
	}
	return fmt.Sprintf("%dMiB", mib)
}
