package clients

import (
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Both attempts of a driver to commit are lost: it says that it does not know how the transaction ended. Whoever commits
// once more learns it.
func TestCommitWhoseAttemptsAreAllLostIsUnknown(t *testing.T) {
	t.Parallel()
	for _, arrived := range []bool{true, false} {
		t.Run(fmt.Sprintf("command arrived %t", arrived), func(t *testing.T) {
			t.Parallel()
			p, through := newProxy(t, newCluster(t, shared))
			client := connect(t, through)
			c := bank(t, client)
			session, err := client.StartSession()
			fatal(t, "start session", err)
			defer session.EndSession(t.Context())
			fatal(t, "start transaction", session.StartTransaction())
			ctx := mongo.NewSessionContext(t.Context(), session)
			_, err = c.UpdateOne(ctx, id(0), inc(1))
			fatal(t, "update in the transaction", err)

			attempts := 0
			p.follow(func(command string) *loss {
				if command != "commitTransaction" {
					return nil
				}
				attempts++
				return &loss{command: command, forward: arrived, done: make(chan struct{})}
			})
			err = session.CommitTransaction(ctx)
			p.follow(nil)
			if unknown, is := errors.AsType[mongo.LabeledError](err); !is || !unknown.HasErrorLabel("UnknownTransactionCommitResult") || attempts != 2 {
				t.Errorf("after %d attempts the error is %v, want one after 2 with the label UnknownTransactionCommitResult", attempts, err)
			}

			err = session.CommitTransaction(ctx)
			if arrived {
				fatal(t, "commit once more", err)
				wantN(t, c, 0, balance+1)
				return
			}
			wantCode(t, err, 251)
			wantLabel(t, err, "TransientTransactionError")
			wantN(t, c, 0, balance)
		})
	}
}
