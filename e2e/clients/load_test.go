package clients

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A load writes through several drivers at once while something breaks, and checks afterwards that all that was acknowledged is there
// and that nothing was done twice. Each writer does in turns:
//
//   - bump: a numbered write, {$inc: {n: 1}} with upsert of a document that is the write's own: its n is how often it was done.
//   - add: an insert with an _id that the driver makes, so that a second one is a duplicate key.
//   - transfer: a transaction that moves money between two accounts, and adds a line to the ledger.
//
// The Go driver runs here; node/load.mjs and python/load.py do the same with theirs, until their input ends. They print "ok KIND NAME" for
// what was acknowledged and "unknown KIND NAME ..." where the driver gave up; anything else that happens is a failure.
type load struct {
	db *mongo.Database

	mu      sync.Mutex
	ok      map[write]bool
	unknown map[write]string
	news    chan struct{} // has something when a write was acknowledged

	stop    chan struct{}
	running sync.WaitGroup
}

// write is one write of a load, by its kind.
type write struct{ kind, name string }

// startLoad makes a bank and starts writers of every driver on it. Everything in through connects them, one driver at each.
func startLoad(t *testing.T, uri, through string) *load {
	t.Helper()
	l := &load{
		db: connect(t, uri).Database("bank"), ok: map[write]bool{}, unknown: map[write]string{},
		news: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	bank(t, l.db.Client())
	for _, name := range []string{"ledger", "added", "bumped"} {
		fatal(t, "make collection "+name, l.db.CreateCollection(t.Context(), name))
	}
	db := connect(t, through).Database("bank")
	for w := range 3 {
		l.running.Go(func() { l.goDriver(t, db, w) })
	}
	l.running.Go(func() { l.program(t, through, node, "node/load.mjs") })
	l.running.Go(func() { l.program(t, through, python, "-B", "-W", "error", "python/load.py") })
	l.running.Go(func() { l.audit(t) })
	return l
}

// await returns when so many more writes were acknowledged.
func (l *load) await(t *testing.T, more int) {
	t.Helper()
	for want := l.count() + more; l.count() < want; {
		select {
		case <-l.news:
		case <-t.Context().Done():
			t.Fatal("no writes are acknowledged any more")
		}
	}
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ok)
}

func (l *load) acknowledged(w write) {
	l.mu.Lock()
	l.ok[w] = true
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

func (l *load) doubtful(w write, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unknown[w] = why
}

func (l *load) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// goDriver is a writer with the Go driver.
func (l *load) goDriver(t *testing.T, db *mongo.Database, w int) {
	kinds := map[string]func(context.Context, string, int) error{
		"bump": func(ctx context.Context, name string, _ int) error {
			_, err := db.Collection("bumped").UpdateByID(ctx, name, inc(1), options.UpdateOne().SetUpsert(true))
			return err
		},
		"add": func(ctx context.Context, name string, _ int) error {
			_, err := db.Collection("added").InsertOne(ctx, bson.D{{Key: "name", Value: name}})
			return err
		},
		"transfer": func(ctx context.Context, name string, n int) error {
			return booked(ctx, db, name, (w+n)%accounts, (w+n+1+n%3)%accounts)
		},
	}
	for n := 0; !l.stopped(); n++ {
		for kind, do := range kinds {
			this := write{kind, fmt.Sprintf("go-%d-%d", w, n)}
			switch err := do(t.Context(), this.name, n); {
			case err == nil:
				l.acknowledged(this)
			case isBroken(err):
				l.doubtful(this, err.Error())
			default:
				t.Errorf("%s %s: %v", this.kind, this.name, err)
				return
			}
		}
	}
}

// isBroken reports whether an error says that a driver has tried in vain to reach the cluster, or to learn how a write has ended.
//
// Who waits for a connection while another operation's broken one clears the Go driver's pool is told so in an error without a label or a public type (pool.clear of
// driver 2.10; who comes after that gets a labelled one), so that WithTransaction does not try again.
func isBroken(err error) bool {
	if mongo.IsNetworkError(err) || mongo.IsTimeout(err) || strings.Contains(err.Error(), "was cleared because another operation failed") {
		return true
	}
	answer, ok := errors.AsType[mongo.LabeledError](err)
	return ok && (answer.HasErrorLabel("RetryableWriteError") || answer.HasErrorLabel("UnknownTransactionCommitResult") || answer.HasErrorLabel("TransientTransactionError"))
}

// booked is a transfer with a line in the ledger.
func booked(ctx context.Context, db *mongo.Database, name string, from, to int) error {
	session, err := db.Client().StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		c := db.Collection("accounts")
		if _, err := c.UpdateOne(ctx, id(from), inc(-1)); err != nil {
			return nil, err
		}
		if _, err := c.UpdateOne(ctx, id(to), inc(1)); err != nil {
			return nil, err
		}
		_, err := db.Collection("ledger").InsertOne(ctx, bson.D{{Key: "name", Value: name}, {Key: "from", Value: from}, {Key: "to", Value: to}})
		return nil, err
	})
	return err
}

// program is the writers of another language's driver.
func (l *load) program(t *testing.T, uri, name string, args ...string) {
	cmd := script(t, uri, name, args...)
	input, err := cmd.StdinPipe()
	output, err2 := cmd.StdoutPipe()
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err = errors.Join(err, err2, cmd.Start()); err != nil {
		t.Errorf("start %s: %v", name, err)
		return
	}
	l.running.Go(func() {
		<-l.stop
		_ = input.Close()
	})
	for lines := bufio.NewScanner(output); lines.Scan(); {
		words := strings.SplitN(lines.Text(), " ", 4)
		switch {
		case len(words) == 3 && words[0] == "ok":
			l.acknowledged(write{words[1], words[2]})
		case len(words) == 4 && words[0] == "unknown":
			l.doubtful(write{words[1], words[2]}, words[3])
		default:
			t.Errorf("%s says %q", name, lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, complaint.String())
	}
}

// audit adds up the accounts again and again, in transactions with a snapshot.
func (l *load) audit(t *testing.T) {
	for !l.stopped() {
		sum, err := total(t.Context(), l.db.Collection("accounts"))
		if err != nil && !isBroken(err) || err == nil && sum != accounts*balance {
			t.Errorf("a snapshot has %d, want %d: %v", sum, accounts*balance, err)
			return
		}
	}
}

// finish stops the writers and checks what they have left.
func (l *load) finish(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.running.Wait()
	done := map[write]int{}
	var docs []struct {
		ID       any `bson:"_id"`
		N        int
		Name     string
		From, To int
	}
	read := func(collection string) {
		cursor, err := l.db.Collection(collection).Find(t.Context(), bson.D{})
		fatal(t, "read "+collection, err)
		docs = nil
		fatal(t, "read "+collection, cursor.All(t.Context(), &docs))
	}
	read("bumped")
	for _, d := range docs {
		done[write{"bump", fmt.Sprint(d.ID)}] += d.N
	}
	read("added")
	for _, d := range docs {
		done[write{"add", d.Name}]++
	}
	read("ledger")
	var books [accounts]int
	for _, d := range docs {
		done[write{"transfer", d.Name}]++
		books[d.From]--
		books[d.To]++
	}
	read("accounts")
	for _, d := range docs {
		n, _ := d.ID.(int32)
		if want := balance + books[n]; d.N != want {
			t.Errorf("account %d has %d, want %d as the ledger says", n, d.N, want)
		}
	}
	l.compare(t, done)
}

// compare checks how often each write was carried out.
func (l *load) compare(t *testing.T, done map[write]int) {
	t.Helper()
	for w := range l.ok {
		if done[w] == 0 {
			t.Errorf("the acknowledged %s %s is lost", w.kind, w.name)
		}
	}
	for w, times := range done {
		if times > 1 {
			t.Errorf("%s %s was carried out %d times", w.kind, w.name, times)
		}
		if _, doubtful := l.unknown[w]; !doubtful && !l.ok[w] {
			t.Errorf("%s %s was carried out, and nobody asked for it", w.kind, w.name)
		}
	}
	by := map[string]int{}
	for w := range l.ok {
		driver, _, _ := strings.Cut(w.name, "-")
		by[driver+" "+w.kind]++
	}
	if len(by) != 9 {
		t.Errorf("not every driver has written: %v", by)
	}
	t.Logf("acknowledged %v, given up %d: %v", by, len(l.unknown), l.unknown)
}
