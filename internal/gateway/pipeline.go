package gateway

import (
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// maxPipelineDepth is MongoDB's limit for pipelines inside pipelines.
const maxPipelineDepth = 20

// pipelineWalk collects what a pipeline needs. Documents in which a field stands twice are refused: the engine might take
// the one, and we the other.
type pipelineWalk struct {
	db     string
	bypass bool // it writes without the target's validator
	needs  []need
}

func (w *pipelineWalk) add(p privilege, db, coll string) {
	w.needs = append(w.needs, need{privilege: p, db: db, collection: coll})
}

// source is pipeline for one that reads a collection, unless its first stage looks at something else.
func (w *pipelineWalk) source(collection need, pipeline bsoncore.Value) error {
	if !startsElsewhere(pipeline) {
		w.needs = append(w.needs, collection)
	}
	return w.pipeline(pipeline, 0)
}

// startsElsewhere reports whether the first stage is one that brings documents of its own.
func startsElsewhere(pipeline bsoncore.Value) bool {
	stages, err := subFields(pipeline)
	if err != nil || len(stages) == 0 {
		return false
	}
	first, err := subFields(stages[0].value)
	if err != nil || len(first) != 1 {
		return false
	}
	switch first[0].key {
	case "$collStats", "$indexStats", "$currentOp", "$documents":
		return true
	default:
		return false
	}
}

// pipeline adds what the stages need. What is no pipeline is left to the engine, which refuses it.
func (w *pipelineWalk) pipeline(v bsoncore.Value, depth int) error {
	if depth > maxPipelineDepth {
		return mongoerr.New(mongoerr.MaxSubPipelineDepthExceeded, "pipelines are nested more than %d deep", maxPipelineDepth)
	}
	if !isNested(v) {
		return nil
	}
	stages, err := fields(v.Data)
	if err != nil {
		return err
	}
	for i, s := range stages {
		stage, err := nested(s.value)
		if err != nil {
			return err
		}
		if isNested(s.value) && len(stage) != 1 {
			return mongoerr.New(mongoerr.StageWithManyFields, "A pipeline stage specification object must contain exactly one field.")
		}
		for _, f := range stage {
			if depth == 0 && i == 0 && f.key == "$currentOp" {
				continue // the gateway's own, which looks at whose operations are asked for
			}
			if err := w.stage(f, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func isNested(v bsoncore.Value) bool {
	return v.Type == bsoncore.TypeEmbeddedDocument || v.Type == bsoncore.TypeArray
}

// nested is the fields of v if it is a document or an array, nothing if it is something else.
func nested(v bsoncore.Value) ([]field, error) {
	if !isNested(v) {
		return nil, nil
	}
	return uniqueFields(v.Data)
}

// stage adds what one stage needs. A stage that is not known might name another collection in a way that is not known.
func (w *pipelineWalk) stage(f field, depth int) error {
	switch f.key {
	case "$lookup", "$graphLookup":
		return w.join(f.value, depth)
	case "$unionWith":
		return w.union(f.value, depth)
	case "$facet":
		return w.facet(f.value, depth)
	case "$out":
		return w.output(f.value)
	case "$merge":
		return w.merge(f.value, depth)
	case "$collStats":
		w.add(inspect, w.db, "")
	case "$indexStats", "$planCacheStats":
		w.add(administer, w.db, "")
	case "$currentOp", "$listSessions", "$listLocalSessions":
		w.add(monitor, adminDatabase, "")
	default:
		if !isPlainStage(f.key) {
			return mongoerr.New(mongoerr.UnrecognizedStage, "Unrecognized pipeline stage name: '%s'", f.key)
		}
	}
	return nil
}

// isPlainStage reports whether a stage sees nothing but the documents that reach it, or the engine is known to refuse it
// with better words.
func isPlainStage(name string) bool {
	switch name {
	case "$addFields", "$bucket", "$bucketAuto", "$count", "$densify", "$documents", "$fill", "$geoNear", "$group", "$limit",
		"$match", "$project", "$redact", "$replaceRoot", "$replaceWith", "$sample", "$search", "$searchMeta", "$set",
		"$setWindowFields", "$skip", "$sort", "$sortByCount", "$unset", "$unwind", "$vectorSearch":
		return true
	case "$changeStream", "$changeStreamSplitLargeEvent", "$listSearchIndexes", "$querySettings", "$queryStats",
		"$rankFusion", "$shardedDataDistribution":
		return true
	default:
		return false
	}
}

// join adds what $lookup and $graphLookup read.
func (w *pipelineWalk) join(v bsoncore.Value, depth int) error {
	fs, err := nested(v)
	if err != nil {
		return err
	}
	if from := find(fs, "from"); has(from) {
		if err := w.names(read, from); err != nil {
			return err
		}
	}
	return w.pipeline(find(fs, "pipeline"), depth+1)
}

// union adds what $unionWith reads.
func (w *pipelineWalk) union(v bsoncore.Value, depth int) error {
	fs, err := nested(v)
	if err != nil {
		return err
	}
	if !isNested(v) || has(find(fs, "coll")) || has(find(fs, "db")) {
		if err := w.names(read, v); err != nil {
			return err
		}
	}
	return w.pipeline(find(fs, "pipeline"), depth+1)
}

// facet adds what the pipelines of a $facet need.
func (w *pipelineWalk) facet(v bsoncore.Value, depth int) error {
	fs, err := nested(v)
	if err != nil {
		return err
	}
	for _, f := range fs {
		if err := w.pipeline(f.value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// merge adds what $merge writes.
func (w *pipelineWalk) merge(v bsoncore.Value, depth int) error {
	fs, err := nested(v)
	if err != nil {
		return err
	}
	if !isNested(v) {
		return w.output(v)
	}
	if err := w.output(find(fs, "into")); err != nil {
		return err
	}
	return w.pipeline(find(fs, "whenMatched"), depth+1)
}

// output adds what writing to a collection needs.
func (w *pipelineWalk) output(v bsoncore.Value) error {
	if w.bypass {
		if err := w.names(administer, v); err != nil {
			return err
		}
	}
	return w.names(write, v)
}

// names adds p on a collection that is named as a string, or as {db, coll}. What is named in another way is left to the
// engine to refuse, and needs p on the pipeline's own database all the same.
func (w *pipelineWalk) names(p privilege, v bsoncore.Value) error {
	fs, err := nested(v)
	if err != nil {
		return err
	}
	db, coll := w.db, v
	if isNested(v) {
		coll = find(fs, "coll")
		if other := find(fs, "db"); has(other) {
			var ok bool
			if db, ok = other.StringValueOK(); !ok || !validDatabase(db) {
				return mongoerr.New(mongoerr.InvalidNamespace, "the database of a pipeline's stage must be the name of a database")
			}
		}
	}
	name, _ := coll.StringValueOK()
	w.add(p, db, name)
	return nil
}
