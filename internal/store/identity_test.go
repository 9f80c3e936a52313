package store_test

import (
	"testing"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

// A store is known again when it is opened anew; another database has another identity.
func TestIdentityIsThatOfTheDatabase(t *testing.T) {
	t.Parallel()
	database := storetest.Database(t)
	var ids []string
	for range 2 {
		s, err := store.Open(t.Context(), database, storetest.Logger(t))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, must(s.Identity(t.Context()))(t))
		s.Close()
	}
	if other := must(storetest.Open(t).Identity(t.Context()))(t); ids[0] == "" || ids[0] != ids[1] || ids[0] == other {
		t.Errorf("identities are %v and, of another database, %s", ids, other)
	}
}
