package explain

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// stage is a step of a plan as MongoDB shows it.
type stage struct {
	name   string
	about  bson.D // what it does, for the plan
	inputs []*stage

	returned, keys, docs int64
	millis               float64
	measured             bson.D // more of what it did, for the statistics
}

// translator makes stages of nodes.
type translator struct {
	query   *Query
	indexes []index // of the scan that is being translated
	joined  bool    // the scans of the collection itself are behind us
}

// stage translates a node. nil is a node without a counterpart and without input.
func (t *translator) stage(n *node) *stage {
	if n.Provider != "" || len(n.Indexes) > 0 {
		t.indexes = n.Indexes
	}
	if n.all() {
		return t.scan(n)
	}
	switch n.Type {
	case "Seq Scan":
		return t.scan(n)
	case "Index Scan":
		keys := t.keys(n)
		return t.fetch(n, keys)
	case "Index Only Scan":
		return t.keys(n)
	case "Bitmap Heap Scan":
		return t.fetch(n, t.inputs(n)...)
	case "Bitmap Index Scan":
		return t.keys(n)
	case "Function Scan":
		if n.Function == "empty_data_table" {
			return t.made("EOF", n)
		}
		return t.made("DOCUMENTS", n)
	case "Sort", "Incremental Sort":
		return t.sort(n)
	case "Result":
		if len(n.Plans) == 0 {
			return t.made("EOF", n)
		}
	}
	inputs := t.inputs(n)
	name := t.name(n)
	if name == "" && len(inputs) == 1 {
		return inputs[0]
	}
	if name == "" {
		name = "DOCUMENTS" // what has no input brings documents itself
		if len(inputs) > 0 {
			name = "LOOKUP"
		}
	}
	s := t.made(name, n)
	s.inputs = inputs
	return s
}

// name is what MongoDB calls what a node does, "" if documents only pass through.
func (t *translator) name(n *node) string {
	switch n.Type {
	case "Limit":
		return t.query.limitName()
	case "Aggregate", "Group":
		switch t.query.Command {
		case "count":
			return "COUNT"
		case "distinct":
			return ""
		default:
			return "GROUP"
		}
	case "WindowAgg":
		return "WINDOW"
	case "ProjectSet":
		if t.query.Command == "aggregate" {
			return "UNWIND"
		}
		return ""
	case "BitmapAnd":
		return "AND_SORTED"
	case "BitmapOr":
		return "OR"
	case "Append", "Merge Append":
		return "UNION_WITH"
	case "Recursive Union":
		return "GRAPH_LOOKUP"
	case "Nested Loop", "Hash Join", "Merge Join":
		return "LOOKUP"
	default:
		return ""
	}
}

func (t *translator) inputs(n *node) []*stage {
	var list []*stage
	for i := range n.Plans {
		if s := t.stage(&n.Plans[i]); s != nil {
			list = append(list, s)
		}
		if !strings.HasPrefix(n.Type, "Bitmap") {
			t.joined = true // what follows comes from elsewhere, and not for the command's filter
		}
	}
	return list
}

func (t *translator) made(name string, n *node) *stage {
	return &stage{name: name, returned: n.total(n.Rows), millis: n.Millis}
}

// filter is the command's condition, for the stages that check it.
func (t *translator) filter(n *node) bson.D {
	if len(t.query.Filter) <= empty || n.Filter == "" || t.joined {
		return nil
	}
	return bson.D{{Key: "filter", Value: t.query.Filter}}
}

func (t *translator) scan(n *node) *stage {
	s := t.made("COLLSCAN", n)
	s.docs = n.total(n.Rows + n.Filtered + n.Rechecked)
	s.about = append(t.filter(n), bson.E{Key: "direction", Value: "forward"})
	return s
}

func (t *translator) fetch(n *node, inputs ...*stage) *stage {
	s := t.made("FETCH", n)
	s.docs = n.total(n.Rows + n.Filtered + n.Rechecked)
	s.about = t.filter(n)
	s.inputs = inputs
	return s
}

// keys is the scan of an index.
func (t *translator) keys(n *node) *stage {
	s := t.made("IXSCAN", n)
	s.returned = n.total(n.Rows + n.Filtered + n.Rechecked)
	s.keys = s.returned
	direction := "forward"
	if n.Direction == "Backward" {
		direction = "backward"
	}
	about := index{Name: n.Index}
	for _, i := range t.indexes {
		if i.Name == n.Index {
			about = i
		}
	}
	if about.Examined != nil {
		s.keys = int64(*about.Examined)
	}
	if key := t.query.Keys[about.Name]; key != nil && !t.joined {
		s.about = append(s.about, bson.E{Key: "keyPattern", Value: key})
	} else if key, err := about.pattern(); err == nil {
		s.about = append(s.about, bson.E{Key: "keyPattern", Value: key})
	}
	s.about = append(s.about, bson.E{Key: "indexName", Value: about.Name}, bson.E{Key: "isMultiKey", Value: about.MultiKey},
		bson.E{Key: "direction", Value: direction})
	if bounds := about.bounds(); bounds != nil {
		s.about = append(s.about, bson.E{Key: "indexBounds", Value: bounds})
	}
	return s
}

// sort is a SORT if the command asks for one; other sorts prepare a group.
func (t *translator) sort(n *node) *stage {
	inputs := t.inputs(n)
	if len(t.query.Sort) <= empty && len(inputs) == 1 && (t.query.Command != "aggregate" || !t.query.Sorts) {
		return inputs[0]
	}
	s := t.made("SORT", n)
	s.inputs = inputs
	if len(t.query.Sort) > empty {
		s.about = bson.D{{Key: "sortPattern", Value: t.query.Sort}}
	}
	s.about = append(s.about, bson.E{Key: "type", Value: "simple"})
	s.measured = bson.D{{Key: "totalDataSizeSorted", Value: n.Space * 1024}, {Key: "usedDisk", Value: n.SpaceType == "Disk"}}
	return s
}

// pattern is the index's key as a document.
func (i index) pattern() (bson.D, error) {
	var key bson.D
	err := bson.UnmarshalExtJSON([]byte(i.Key), false, &key)
	return key, err
}

// bounds are the intervals of the index's fields that are looked at, nil if they are not known.
func (i index) bounds() bson.D {
	var bounds bson.D
	for _, all := range i.Bounds {
		inner, ok := strings.CutPrefix(all, "[")
		if !ok {
			return nil
		}
		for _, part := range splitBounds(strings.TrimSuffix(inner, "]")) {
			name, interval, ok := strings.Cut(part, `": `)
			if !ok {
				return nil
			}
			name = strings.TrimPrefix(strings.TrimSpace(name), `"`)
			bounds = addBound(bounds, name, strings.TrimPrefix(interval, "DESC"))
		}
	}
	return bounds
}

func addBound(bounds bson.D, name, interval string) bson.D {
	for i := range bounds {
		if list, ok := bounds[i].Value.(bson.A); ok && bounds[i].Key == name {
			list = append(list, interval)
			bounds[i].Value = list
			return bounds
		}
	}
	return append(bounds, bson.E{Key: name, Value: bson.A{interval}})
}

// splitBounds splits at the commas between fields: those that are in no interval and no string.
func splitBounds(s string) []string {
	var parts []string
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '(' || c == '{':
			depth++
		case c == ']' || c == ')' || c == '}':
			depth--
		case c == ',' && depth == 0:
			parts, start = append(parts, s[start:i]), i+1
		}
	}
	return append(parts, s[start:])
}
