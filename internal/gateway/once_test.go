package gateway_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Whoever calls a numbered write's statement may be wrong about a number being new. Then nothing is written.
func TestNumberTakenForNewIsRefusedIfItIsNot(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	ok(t, coll.Database().CreateCollection(t.Context(), coll.Name()))
	su := superuser(t)
	must(su.Exec(t.Context(), "SET ROLE tine_writer"))(t)
	insert := func(number int64) error {
		spec := must(bson.Marshal(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "n", Value: number}}}}}))(t)
		_, err := su.Exec(t.Context(), "SELECT tine.insert_once($1, $2, NULL, $3, $4, true)", coll.Database().Name(), spec, []byte(t.Name()), number)
		return err
	}
	ok(t, insert(5))
	for _, number := range []int64{5, 4} {
		if pe, is := errors.AsType[*pgconn.PgError](insert(number)); !is || pe.Code != "M00F5" {
			t.Errorf("number %d after 5: %v, want M00F5", number, pe)
		}
	}
	ok(t, insert(6))
	if n := count(t, coll); n != 2 {
		t.Errorf("%d documents, want those of 5 and 6", n)
	}
}
