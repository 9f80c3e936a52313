package gateway

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Statements that change the schema say so in the node's log, in the transaction that does it: a message that costs some bytes and that nobody
// but the history's reader sees. So somebody who looks for the moment before a drop finds the very transaction. The prefix is
// history.MarkPrefix, and a test in e2e holds them together.
const emitMark = "pg_logical_emit_message(true, 'tine.mark', "

// sqlMark is a mark alone.
const sqlMark = "SELECT " + emitMark + "$1::text)"

// markNames bounds the names in a mark.
const markNames = 10

// markText is what a command says that it does: its name, what it does it to, and the names of indexes.
func markText(command, namespace string, names ...string) string {
	text := command + " " + namespace
	if len(names) > markNames {
		names = append(names[:markNames:markNames], "...")
	}
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	return text
}

// outMark is what a pipeline says that ends with $out, which replaces what a collection holds; "" for others.
func outMark(r *request) string {
	stages, err := subFields(r.field("pipeline"))
	if err != nil || len(stages) == 0 {
		return ""
	}
	last := stages[len(stages)-1]
	if stageName(last) != "$out" {
		return ""
	}
	fs, _ := subFields(last.value)
	db, into := r.db, fs[0].value
	if named, _ := nested(into); named != nil {
		if other, ok := find(named, "db").StringValueOK(); ok {
			db = other
		}
		into = find(named, "coll")
	}
	coll, _ := into.StringValueOK()
	return markText(r.command, aggregated(r), "$out "+db+"."+coll)
}

// indexNames are the names of the indexes that a command makes or drops.
func indexNames(r *request) (names []string) {
	if list, err := subFields(r.field("indexes")); err == nil {
		for _, f := range list {
			names = append(names, nameOf(f.value))
		}
		return names
	}
	switch v := r.field("index"); v.Type {
	case bsoncore.TypeArray:
		list, _ := subFields(v)
		for _, f := range list {
			names = append(names, nameOf(f.value))
		}
	default:
		names = append(names, nameOf(v))
	}
	return names
}

// nameOf is an index's name as it is said in a command.
func nameOf(v bsoncore.Value) string {
	if name, ok := v.StringValueOK(); ok {
		return name
	}
	if about, err := subFields(v); err == nil {
		if name, ok := find(about, "name").StringValueOK(); ok {
			return name
		}
	}
	return "(by its keys)"
}
