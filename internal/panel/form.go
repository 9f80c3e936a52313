package panel

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
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

// marking returns the form of a page that has these inputs only: what is wrong elsewhere is said above the form.
func (f form) marking(inputs ...string) form {
	if !slices.Contains(inputs, f.Field) {
		f.Field = ""
	}
	return f
}

// confirmed wants the cluster's name typed before anything is done, unless something else is wrong.
func (f form) confirmed(name, participle string) form {
	if f.Problem == "" && strings.TrimSpace(f.Value("confirm")) != name {
		f = f.wrong("confirm", "Type the name of the cluster, %s, to confirm. Nothing was %s.", name, participle)
	}
	return f
}

// inputOf is the input for a field of the API. Inputs are called like the API's fields where there are such.
func inputOf(field string) string {
	switch field {
	case "backup_restore.backup_created_at":
		return "at"
	case "backup_restore.before_transaction", "backup_restore.after_transaction":
		return "transaction"
	case "before_transaction", "after_transaction":
		return "transaction"
	case "around":
		return "at"
	case "storage_size_mib":
		return "storage"
	case "num_nodes":
		return "nodes"
	case "storage.threshold_percent":
		return "threshold"
	case "storage.increment_gib":
		return "increment"
	case "settings.mongo_user_settings.role":
		return "role"
	case "settings.mongo_user_settings.databases":
		return "databases"
	case "sink_name":
		return "sink"
	case "config.site":
		return "site"
	case "config.datadog_api_key":
		return "key"
	}
	if strings.HasPrefix(field, "rules") {
		return "sources"
	}
	return strings.TrimPrefix(field, "config.")
}

// inWords is a refusal with the label of the input in place of the API's name of the field, with which it begins.
func inWords(e *fleet.Error) string {
	message := e.Message
	if label, ok := labelOf(e.Field); ok {
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

// labelOf is how our forms call a field of the API.
func labelOf(field string) (string, bool) {
	if _, rest, ok := strings.Cut(field, "]."); ok && strings.HasPrefix(field, "rules[") {
		field = "rule." + rest
	}
	label, ok := map[string]string{
		"name": "The name", "size": "The plan", "region": "The region", "version": "The version", "storage_size_mib": "Storage",
		"num_nodes": "The number of nodes", "tags": "Tags", "backup_restore.database_name": "The source",
		"backup_restore.backup_created_at":  "The point in time",
		"backup_restore.before_transaction": "The transaction", "backup_restore.after_transaction": "The transaction",
		"before_transaction": "The transaction", "after_transaction": "The transaction", "with": "The other cluster", "around": "The point in time",
		"rules": "The trusted sources", "rule.value": "The trusted source", "rule.description": "The description",
		"at": "The point in time", "day": "The day", "hour": "The hour", "storage.threshold_percent": "The threshold", "storage.increment_gib": "The step",
		"config.default_read_concern": "The read concern", "config.default_write_concern": "The write concern",
		"config.transaction_lifetime_limit_seconds": "The lifetime of transactions", "config.slow_op_threshold_ms": "The threshold",
		"config.verbosity": "The verbosity", "sink_name": "The name", "config.site": "The site", "config.datadog_api_key": "The API key",
		"settings.mongo_user_settings.role": "The role", "settings.mongo_user_settings.databases": "The databases",
		"after_minutes": "The time without work", "scopes": "The scopes", "expires_at": "The end",
	}[field]
	return label, ok
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
	at, ok := parseMoment(text)
	if !ok {
		f = f.wrong("at", "The point in time must be a date and a time such as 2026-08-10 14:03:06.123; got %q.", shortened(text))
	}
	return at, f
}

// parseMoment reads a date and a time, in UTC unless they say otherwise.
func parseMoment(text string) (time.Time, bool) {
	plain := strings.Replace(strings.TrimSuffix(strings.TrimSpace(text), " UTC"), " ", "T", 1)
	// Go reads fractions of seconds with each of these.
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, plain); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// life is how long from now a cluster lives, as it is typed.
var life = regexp.MustCompile(`^([0-9]{1,5}) *([mhd])$`)

// end reads when a cluster is destroyed by itself: a moment, or how long from now; nil if the input is empty.
func (f form) end(received time.Time) (*time.Time, form) {
	text := strings.TrimSpace(f.Value("expires_at"))
	if text == "" {
		return nil, f
	}
	if parts := life.FindStringSubmatch(text); parts != nil {
		n, _ := strconv.Atoi(parts[1]) // the pattern has digits only
		unit := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[parts[2]]
		at := received.Add(time.Duration(n) * unit)
		return &at, f
	}
	at, ok := parseMoment(text)
	if !ok {
		f = f.wrong("expires_at", "The end must be how long from now, such as 12h or 3d, or a date and a time such as 2026-08-10 14:03; got %q.", shortened(text))
	}
	return &at, f
}

func shortened(s string) string {
	const longest = 80
	runes := []rune(s)
	if len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return s
}

// fieldView is an input with its label, and what is wrong with what was typed.
type fieldView struct {
	Form              form
	Name, Label, Hint string
}

func newField(f form, name, label, hint string) fieldView {
	return fieldView{Form: f, Name: name, Label: label, Hint: hint}
}

// Value is what the input shows.
func (f fieldView) Value() string { return f.Form.Value(f.Name) }

// Wrong is what to say next to it.
func (f fieldView) Wrong() string { return f.Form.Wrong(f.Name) }

// whole reads a whole number; the form comes back with the problem if it is none.
func (f form) whole(input, label string) (int64, form) {
	n, err := strconv.ParseInt(strings.TrimSpace(f.Value(input)), 10, 64)
	if err != nil {
		return 0, f.wrong(input, "%s must be a whole number; got %q.", label, shortened(f.Value(input)))
	}
	return n, f
}
