package explain

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// node is a node of PostgreSQL's plan: of its many properties those that are told.
type node struct {
	Type      string  `json:"Node Type"`
	Provider  string  `json:"Custom Plan Provider"`
	Function  string  `json:"Function Name"`
	Index     string  `json:"Index Name"`
	Direction string  `json:"Scan Direction"`
	Filter    string  `json:"Filter"`     // told to nobody
	Cond      string  `json:"Index Cond"` // the same
	Rows      float64 `json:"Actual Rows"`
	Loops     float64 `json:"Actual Loops"`
	Millis    float64 `json:"Actual Total Time"`
	Filtered  float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	SpaceType string  `json:"Sort Space Type"`
	Space     int64   `json:"Sort Space Used"`
	Namespace string  `json:"namespaceName"`
	Indexes   []index `json:"IndexDetails"`
	Plans     []node  `json:"Plans"`
}

// index is what the engine says of an index that a scan uses.
type index struct {
	Name     string   `json:"indexName"`
	Key      string   `json:"indexKey"`
	MultiKey bool     `json:"isMultiKey"`
	Bounds   []string `json:"indexBounds"`
	Examined *float64 `json:"innerScanLoops"`
}

// output is what EXPLAIN prints.
type output struct {
	Plan      node    `json:"Plan"`
	Planning  float64 `json:"Planning Time"`
	Execution float64 `json:"Execution Time"`
}

func parse(plan []byte) (output, error) {
	var out []output
	if err := json.Unmarshal(plan, &out); err != nil {
		return output{}, fmt.Errorf("read plan: %w", err)
	}
	if len(out) != 1 {
		return output{}, errors.New("read plan: there is not one statement")
	}
	return out[0], nil
}

// all reports whether a scan of an index goes over the whole collection: the index on _id has the collection in front.
func (n *node) all() bool {
	if n.Type == "Bitmap Heap Scan" {
		return len(n.Plans) == 1 && n.Plans[0].all()
	}
	return n.Index == "_id_" && !strings.Contains(n.Cond, "object_id")
}

// total is a number of rows over all loops of a node.
func (n *node) total(rows float64) int64 { return int64(rows*max(n.Loops, 1) + 0.5) }
