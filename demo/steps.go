package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// demo is what the steps hand on to each other.
type demo struct {
	out  *report
	tine *service

	source, fork cluster
	shop         *shop // the source's data
	forked       *shop // the fork's

	writers *writers
	before  ledger    // of the orders, before they were dropped
	moment  time.Time // the last good one
}

// run plays the demo.
func run(ctx context.Context, out io.Writer) error {
	service, err := connectService()
	if err != nil {
		return err
	}
	d := &demo{out: &report{w: out}, tine: service}
	defer d.close(context.WithoutCancel(ctx))
	d.out.title()
	for _, step := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Create a cluster", d.create},
		{"Fill it through the official MongoDB driver", d.fill},
		{"Let four writers go to work, and never stop", d.startWriters},
		{"Note the time, then drop the collection orders \"by accident\"", d.loseOrders},
		{"Fork the cluster at the moment before", d.forkBefore},
		{"Look at the fork: the data is back", d.lookAtFork},
		{"Look at the source: it went on, untouched", d.lookAtSource},
	} {
		if err := d.out.step(step.title, func() error { return step.play(ctx) }); err != nil {
			return err
		}
	}
	d.out.next(d.source, d.fork)
	return nil
}

func (d *demo) close(ctx context.Context) {
	if d.writers != nil {
		d.writers.stop()
	}
	for _, s := range []*shop{d.shop, d.forked} {
		if s != nil {
			s.close(ctx)
		}
	}
}

func (d *demo) create(ctx context.Context) (err error) {
	names, err := d.tine.freeNames(ctx, "shop", "shop-before")
	if err != nil {
		return err
	}
	d.source.Name, d.fork.Name = names[0], names[1]
	if d.source, err = d.tine.create(ctx, d.source.Name); err != nil {
		return err
	}
	if d.shop, err = openShop(ctx, d.source); err != nil {
		return err
	}
	d.out.say("%s is online at %s, with plan %s.", d.source.Name, d.source.Address, d.source.Plan)
	return nil
}

func (d *demo) fill(ctx context.Context) error {
	if err := d.shop.fill(ctx); err != nil {
		return err
	}
	before, err := d.shop.orders(ctx)
	if err != nil {
		return err
	}
	if before.count != orderCount {
		return fmt.Errorf("the source has %d orders instead of %d", before.count, orderCount)
	}
	d.before = before
	d.out.say("%s customers, %s products and %s orders over %s in total.",
		thousands(customerCount), thousands(productCount), thousands(before.count), before.money())
	return nil
}

func (d *demo) startWriters(ctx context.Context) error {
	const warmUp = time.Second
	d.writers = startWriters(ctx, d.shop)
	if err := d.writers.run(ctx, warmUp); err != nil {
		return err
	}
	d.out.say("They record visits of the shop, one write at a time: %s a second, each acknowledged.", thousands(len(d.writers.visits())))
	return nil
}

// loseOrders lets the writers go on for a moment on either side of the drop, so that the moment lies within their writes.
func (d *demo) loseOrders(ctx context.Context) error {
	const apart = 400 * time.Millisecond
	d.moment = time.Now().Truncate(time.Microsecond)
	if err := d.writers.run(ctx, apart); err != nil {
		return err
	}
	if err := d.shop.dropOrders(ctx); err != nil {
		return err
	}
	if err := d.writers.run(ctx, apart); err != nil {
		return err
	}
	after, err := d.shop.orders(ctx)
	if err != nil {
		return err
	}
	if after.count != 0 {
		return fmt.Errorf("the source still has %d orders", after.count)
	}
	d.out.say("The moment before: %s", d.moment.UTC().Format(time.RFC3339Nano))
	d.out.say("Orders in %s now: 0.", d.source.Name)
	return nil
}

func (d *demo) forkBefore(ctx context.Context) (err error) {
	start := time.Now()
	if d.fork, err = d.tine.fork(ctx, d.source.Name, d.fork.Name, d.moment); err != nil {
		return err
	}
	online := time.Since(start)
	if d.forked, err = openShop(ctx, d.fork); err != nil {
		return err
	}
	if _, err := d.forked.anOrder(ctx); err != nil {
		return err
	}
	d.out.say("%s is online after %s, and a query is answered after %s, connecting included.",
		d.fork.Name, duration(online), duration(time.Since(start)))
	return d.writers.err()
}

func (d *demo) lookAtFork(ctx context.Context) error {
	orders, err := d.forked.orders(ctx)
	if err != nil {
		return err
	}
	if orders != d.before {
		return fmt.Errorf("the fork has %d orders over %s instead of %d over %s",
			orders.count, orders.money(), d.before.count, d.before.money())
	}
	d.out.say("Orders in %s: %s over %s in total, as before.", d.fork.Name, thousands(orders.count), orders.money())
	order, err := d.forked.anOrder(ctx)
	if err != nil {
		return err
	}
	d.out.say("One of them: %s", order)
	return d.checkMoment(ctx)
}

// checkMoment shows that the fork is exact: all that was acknowledged at the moment, and nothing that began after it.
func (d *demo) checkMoment(ctx context.Context) error {
	visits := d.writers.visits()
	there, err := d.forked.visitIDs(ctx)
	if err != nil {
		return err
	}
	var before, missing, after, extra int
	for _, v := range visits {
		switch {
		case !v.acknowledged.After(d.moment):
			before++
			if !there[v.id] {
				missing++
			}
		case v.began.After(d.moment):
			after++
			if there[v.id] {
				extra++
			}
		}
	}
	if missing > 0 || extra > 0 {
		return fmt.Errorf("the fork lacks %d visits from before the moment and has %d from after it", missing, extra)
	}
	d.out.say("Visits: all %s acknowledged before the moment are there, and none of the %s begun after it.",
		thousands(before), thousands(after))
	return nil
}

func (d *demo) lookAtSource(ctx context.Context) error {
	orders, err := d.shop.orders(ctx)
	if err != nil {
		return err
	}
	if orders.count != 0 {
		return fmt.Errorf("the source has %d orders again", orders.count)
	}
	if err := d.forked.writeOrder(ctx); err != nil {
		return err
	}
	if orders, err = d.shop.orders(ctx); err != nil || orders.count != 0 {
		return fmt.Errorf("the source has %d orders after a write to the fork: %w", orders.count, err)
	}
	d.writers.stop()
	if err := d.writers.err(); err != nil {
		return err
	}
	visits := d.writers.visits()
	there, err := d.shop.visitIDs(ctx)
	if err != nil {
		return err
	}
	for _, v := range visits {
		if !there[v.id] {
			return fmt.Errorf("the source has lost the visit %s", v.id)
		}
	}
	d.out.say("Orders in %s: 0, also after a new one was written to %s.", d.source.Name, d.fork.Name)
	d.out.say("Its writers never stopped: %s visits, none failed, none lost; the slowest took %s.",
		thousands(len(visits)), duration(slowest(visits)))
	return nil
}
