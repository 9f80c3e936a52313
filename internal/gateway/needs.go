package gateway

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// needsFunc says what a command needs. It looks at the command only; what it cannot make sense of it leaves to the
// engine to refuse, as long as the engine cannot make sense of it either.
type needsFunc func(commands map[string]command, r *request) ([]need, error)

// authorize decides whether the connection's user may run a command.
func (c *conn) authorize(cmd command, r *request) error {
	needs, err := needsOf(c.cluster.commands, cmd, r)
	if err != nil {
		return err
	}
	// Whoever may change nothing has the engine as a second barrier, even if this table has a hole.
	r.writes = (cmd.changes || slices.ContainsFunc(needs, need.isChange)) && c.grants.writesAnywhere()
	return c.grants.permit(r.command, needs)
}

// needsOf is what the command's row says or, without that, the row's privilege on the collection that the command names.
func needsOf(commands map[string]command, cmd command, r *request) ([]need, error) {
	if cmd.needs != nil {
		return cmd.needs(commands, r)
	}
	needs := []need{r.need(cmd.privilege)}
	if cmd.changes && isTrue(r.field("bypassDocumentValidation")) {
		needs = append(needs, r.need(administer))
	}
	return needs, nil
}

// need is p on the collection that the command's own field names, if that is a name.
func (r *request) need(p privilege) need {
	n := need{privilege: p, db: r.db}
	if p > userless {
		n.collection, _ = r.target.StringValueOK()
	}
	return n
}

// aggregateNeeds is what a pipeline reads and writes. The collection itself is read unless the first stage looks elsewhere.
func aggregateNeeds(_ map[string]command, r *request) ([]need, error) {
	w := pipelineWalk{db: r.db, bypass: isTrue(r.field("bypassDocumentValidation"))}
	if err := w.source(r.need(read), r.field("pipeline")); err != nil {
		return nil, err
	}
	return w.needs, nil
}

// createNeeds is to make a collection or, for a view, also to see what the view will show.
func createNeeds(_ map[string]command, r *request) ([]need, error) {
	return viewNeeds(r, define)
}

// collModNeeds is to change a collection's options or, for a view, also to see what the view will show.
func collModNeeds(_ map[string]command, r *request) ([]need, error) {
	return viewNeeds(r, administer)
}

func viewNeeds(r *request, p privilege) ([]need, error) {
	w := pipelineWalk{db: r.db, needs: []need{r.need(p)}}
	if on := r.field("viewOn"); has(on) {
		if err := w.names(read, on); err != nil {
			return nil, err
		}
	}
	if pipeline := r.field("pipeline"); has(pipeline) {
		w.add(read, r.db, "")
		if err := w.pipeline(pipeline, 0); err != nil {
			return nil, err
		}
	}
	return w.needs, nil
}

// renameNeeds is to drop and make collections, and to move the documents if they go to another database.
func renameNeeds(_ map[string]command, r *request) ([]need, error) {
	source, err := namespaceNeed(define, r.target)
	if err != nil {
		return nil, err
	}
	target, err := namespaceNeed(define, r.field("to"))
	if err != nil {
		return nil, err
	}
	needs := []need{source, target}
	if source.db != target.db {
		needs = append(needs, need{read, source.db, source.collection}, need{write, target.db, target.collection})
	}
	return needs, nil
}

// namespaceNeed is p on a collection that is named with its database.
func namespaceNeed(p privilege, v bsoncore.Value) (need, error) {
	ns, _ := v.StringValueOK()
	db, coll, _ := strings.Cut(ns, ".")
	if !validDatabase(db) || coll == "" {
		return need{}, mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s': it should be database.collection", ns)
	}
	return need{privilege: p, db: db, collection: coll}, nil
}

// explainNeeds is what the command that is explained needs.
func explainNeeds(commands map[string]command, r *request) ([]need, error) {
	inner, err := r.explained()
	if err != nil {
		return nil, err
	}
	cmd, known := commands[inner.command]
	if !known || inner.command == r.command {
		return nil, mongoerr.New(mongoerr.CommandNotFound, "Explain failed due to unknown command: %s", inner.command)
	}
	return needsOf(commands, cmd, inner)
}

// explained is the command inside an explain.
func (r *request) explained() (*request, error) {
	if r.target.Type != bsoncore.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'explain.explain' must be a document")
	}
	inner := &request{document: r.target.Data, db: r.db, sequences: r.sequences, session: r.session}
	inner.read()
	if inner.invalid != nil {
		return nil, inner.invalid
	}
	if inner.db != r.db {
		return nil, mongoerr.New(mongoerr.InvalidNamespace,
			"Mismatched $db in explain command. Expected %s but got %s", r.db, inner.db)
	}
	return inner, nil
}

// bulkWriteNeeds is to write to every collection that the command lists.
func bulkWriteNeeds(_ map[string]command, r *request) ([]need, error) {
	docs, err := r.documents("nsInfo")
	if err != nil {
		return nil, err
	}
	var needs []need
	for _, doc := range docs {
		info, err := uniqueFields(doc)
		if err != nil {
			return nil, err
		}
		n, err := namespaceNeed(write, find(info, "ns"))
		if err != nil {
			return nil, err
		}
		needs = append(needs, n)
		if isTrue(r.field("bypassDocumentValidation")) {
			needs = append(needs, need{administer, n.db, n.collection})
		}
	}
	return needs, nil
}

// documents are those of a field that is an array, or came as a sequence. Both at once is an error of its own elsewhere;
// here it means more to need.
func (r *request) documents(name string) ([][]byte, error) {
	var docs [][]byte
	if list := r.field(name); has(list) {
		elements, err := subFields(list)
		if err != nil {
			return nil, err
		}
		for _, e := range elements {
			docs = append(docs, e.value.Data)
		}
	}
	for _, s := range r.sequences {
		for rest := s.Data; s.Identifier == name && len(rest) > 0; {
			length, _, ok := bsoncore.ReadLength(rest)
			if !ok || length < 5 || int(length) > len(rest) {
				return nil, errBadBSON()
			}
			docs = append(docs, rest[:length])
			rest = rest[length:]
		}
	}
	return docs, nil
}

// cursorNeeds is to read what the cursor reads. That the cursor is the user's own is checked where it is looked up.
func cursorNeeds(_ map[string]command, r *request) ([]need, error) {
	coll, _ := r.field("collection").StringValueOK()
	if strings.HasPrefix(coll, "$cmd.") {
		return []need{{inspect, r.db, ""}}, nil
	}
	return []need{{read, r.db, coll}}, nil
}
