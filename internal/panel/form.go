package panel

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tine/internal/fleet"
)

// form is what someone typed, and what is wrong with it.
type form struct {
	values  url.Values
	Field   string // name of the input that is wrong; empty if nothing is, or no single input
	Problem string // one sentence, or empty
}

func sentForm(r *http.Request) form { return form{values: r.PostForm} }

// Value is what an input shows.
func (f form) Value(input string) string { return f.values.Get(input) }

// Wrong returns what to say next to an input, or nothing.
func (f form) Wrong(input string) string {
	if f.Field == input {
		return f.Problem
	}
	return ""
}

// status is that of the page that shows the form again.
func (f form) status() int {
	if f.Problem == "" {
		return http.StatusOK
	}
	return http.StatusUnprocessableEntity
}

func (f form) wrong(input, format string, args ...any) form {
	f.Field, f.Problem = input, fmt.Sprintf(format, args...)
	return f
}

// refused returns the form with what fleet said, or the error if it is no refusal.
func (f form) refused(err error) (form, error) {
	var e *fleet.Error
	if !errors.As(err, &e) {
		return f, err
	}
	f.Field, f.Problem = inputOf(e.Field), inWords(e)
	return f, nil
}

// inputOf is the input for a field of the API. Inputs are called like the API's fields where there are such.
func inputOf(field string) string {
	switch field {
	case "backup_restore.backup_created_at":
		return "at"
	case "storage_size_mib":
		return "storage"
	case "name", "size", "region", "version":
		return field
	default:
		return ""
	}
}

// inWords is a refusal with the label of the input in place of the API's name of the field, with which it begins.
func inWords(e *fleet.Error) string {
	labels := map[string]string{
		"name": "The name", "size": "The plan", "region": "The region", "version": "The version", "storage_size_mib": "Storage",
		"num_nodes": "The number of nodes", "backup_restore.database_name": "The source", "backup_restore.backup_created_at": "The point in time",
	}
	message := e.Message
	if label, ok := labels[e.Field]; ok {
		if rest, cut := strings.CutPrefix(message, e.Field+" "); cut {
			message = label + " " + rest
		}
	}
	if e.Field == "storage_size_mib" {
		message = inGiB(message)
	}
	if message == "" {
		return "It was refused."
	}
	return strings.ToUpper(message[:1]) + message[1:] + "."
}

// mebibytes are the numbers in a sentence about storage that stand alone, unlike those in names of plans.
var mebibytes = regexp.MustCompile(`(^| )\d+\b`)

// inGiB shows sizes as they are typed into our forms; the API, whose sentence this is, has them in MiB.
func inGiB(sentence string) string {
	return mebibytes.ReplaceAllStringFunc(sentence, func(number string) string {
		mib, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil {
			return number
		}
		return strings.TrimSuffix(number, strings.TrimSpace(number)) + gib(mib)
	})
}

// storage reads the size of a cluster's storage, typed in GiB; 0 if the input is empty. The form comes back with the problem if there is one.
func (f form) storage() (mib int64, _ form) {
	text := strings.TrimSpace(f.Value("storage"))
	if text == "" {
		return 0, f
	}
	const mibPerGiB, most = 1024, 1 << 40
	number, err := strconv.ParseFloat(text, 64)
	size := number * mibPerGiB
	// Zero is no size, and to fleet it would mean none was given.
	if err != nil || !(size > 0 && size < most) || size != math.Trunc(size) {
		return 0, f.wrong("storage", "Storage must be a number of GiB such as 20, or empty; got %q.", shortened(text))
	}
	return int64(size), f
}

// moment reads the point in time, in UTC unless it says otherwise.
func (f form) moment() (time.Time, form) {
	text := strings.TrimSpace(f.Value("at"))
	if text == "" {
		return time.Time{}, f.wrong("at", "The point in time is missing.")
	}
	plain := strings.Replace(strings.TrimSuffix(text, " UTC"), " ", "T", 1)
	// Go reads fractions of seconds with each of these.
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, plain); err == nil {
			return at.UTC(), f
		}
	}
	return time.Time{}, f.wrong("at", "The point in time must be a date and a time such as 2026-08-10 14:03:06.123; got %q.", shortened(text))
}

func shortened(s string) string {
	const longest = 80
	runes := []rune(s)
	if len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return s
}
