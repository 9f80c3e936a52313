package panel

import (
	"net/url"
	"strings"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

// What the input "state" can be.
const (
	stateLatest      = "latest"
	statePoint       = "point"
	stateTransaction = "transaction"
)

// What the input "side" can be.
const (
	sideBefore = "before"
	sideAfter  = "after"
)

// stateView is the part of a form that chooses a state of a cluster's history: the latest, that of a moment, or that at a transaction.
type stateView struct {
	Form     form
	Source   store.Cluster // whose history it is
	Window   fleet.Window
	NoLatest bool      // the latest cannot be chosen: it is what there is
	Loaded   time.Time // what "latest" means; zero: when the form is sent
	Timeline *timeline // nil: there is no picture
}

// IsPoint says whether a point in time is chosen.
func (v stateView) IsPoint() bool { return v.Form.Value("state") == statePoint }

// IsTransaction says whether a transaction is chosen.
func (v stateView) IsTransaction() bool { return v.Form.Value("state") == stateTransaction }

// IsAfter says whether the state is to have that transaction.
func (v stateView) IsAfter() bool { return v.Form.Value("side") == sideAfter }

// HasHistory says whether there is any point in time to choose.
func (v stateView) HasHistory() bool { return !v.Window.Empty() }

// Earliest is the beginning of the window, in whole milliseconds that are inside of it.
func (v stateView) Earliest() time.Time { return ceilMilli(v.Window.From) }

// chooseState fills in the state that a link asks for, if it does.
func (f form) chooseState(query url.Values) {
	if at := query.Get("at"); at != "" {
		f.values.Set("state", statePoint)
		f.values.Set("at", at)
	}
	for _, side := range []string{sideBefore, sideAfter} {
		if id := query.Get(side); id != "" {
			f.values.Set("state", stateTransaction)
			f.values.Set("transaction", id)
			f.values.Set("side", side)
		}
	}
}

// state reads which state is chosen. The form comes back with the problem if that cannot be told.
func (f form) state() (state fleet.Source, _ form) {
	switch f.Value("state") {
	case stateLatest:
		// As of the moment that the page said, if it did.
		if at, ok := parseMoment(f.Value("loaded")); ok {
			state.At = &at
		}
	case statePoint:
		at, read := f.moment()
		if read.Problem != "" {
			return state, read
		}
		state.At = &at
	case stateTransaction:
		id := strings.TrimSpace(f.Value("transaction"))
		if id == "" {
			return state, f.wrong("transaction", "The transaction is missing.")
		}
		if f.Value("side") == sideAfter {
			state.After = id
		} else {
			state.Before = id
		}
	default:
		return state, f.wrong("state", "Choose a state: the latest transaction, a point in time, or a transaction.")
	}
	return state, f
}
