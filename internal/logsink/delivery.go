package logsink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"tine/internal/store"
)

// mostEntries is how many entries the intake takes at once.
const mostEntries = 1000

// farewell is how long a request may go on when its delivery is to end.
const farewell = 2 * time.Second

const tmpSuffix = "~"

// delivery delivers one cluster's logs to one sink.
type delivery struct {
	service           *Service
	sink              store.ActiveLogSink
	node, slow, state string // paths
	log               *slog.Logger

	at       progress
	attempts int // that failed since the last success
	most     int // entries a batch
}

// progress is what must outlive the process.
type progress struct {
	Node    position `json:"node"`
	Slow    position `json:"slow"`
	Refused []byte   `json:"refused,omitempty"` // the sealed key that the owner was told of
}

func (d *delivery) run(ctx context.Context) {
	d.most = mostEntries
	key, err := d.service.cfg.Secrets.Open(d.sink.APIKey, d.sink.KeyPurpose())
	if err == nil {
		err = d.resume()
	}
	if err != nil {
		d.log.ErrorContext(ctx, "logs are not delivered", "error", err)
		return
	}
	for {
		pause, err := d.step(ctx, key)
		if err != nil && ctx.Err() == nil {
			d.log.ErrorContext(ctx, "logs could not be delivered; trying again", "error", err)
			pause = longestPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// resume reads where an earlier process was, or begins at the end of the logs.
func (d *delivery) resume() error {
	text, err := os.ReadFile(d.state)
	if err == nil {
		if json.Unmarshal(text, &d.at) == nil {
			return nil
		}
		return d.fresh() // nobody but us writes it, whole
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read position: %w", err)
	}
	return d.fresh()
}

func (d *delivery) fresh() (err error) {
	if d.at.Node, err = endOf(d.node); err != nil {
		return fmt.Errorf("find the end of the log: %w", err)
	}
	if d.at.Slow, err = endOf(d.slow); err != nil {
		return fmt.Errorf("find the end of the log: %w", err)
	}
	return d.save()
}

// save makes the position outlive the process and the machine.
func (d *delivery) save() (err error) {
	text, err := json.Marshal(d.at)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.state+tmpSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write position: %w", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(d.state+tmpSuffix, d.state)
	}
	if err != nil {
		return fmt.Errorf("write position: %w", err)
	}
	return nil
}

// step delivers one batch and returns how long to wait before the next.
func (d *delivery) step(ctx context.Context, key string) (pause time.Duration, err error) {
	batch, next, err := d.collect()
	if err != nil {
		return 0, err
	}
	if len(batch) == 0 {
		changed := next.Node.Offset != d.at.Node.Offset || next.Slow.Offset != d.at.Slow.Offset
		headed := next.Node.HeadLength != d.at.Node.HeadLength || next.Slow.HeadLength != d.at.Slow.HeadLength
		d.at = next
		if changed || headed {
			err = d.save()
		}
		return d.service.cfg.Interval, err
	}
	begin := time.Now()
	a := d.send(ctx, key, batch)
	if err := ctx.Err(); err != nil && a.verdict != taken {
		return 0, err
	}
	d.service.metrics.observe(d.sink, a.verdict, len(batch), time.Since(begin))
	return d.settle(ctx, a, len(batch), next)
}

// send hands a batch to the intake. An end of the context leaves the request some time to be answered: whoever hangs up does not
// know whether the batch was taken, and so delivers it twice.
func (d *delivery) send(ctx context.Context, key string, batch []entry) answer {
	request, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(farewell):
			cancel()
		case <-request.Done():
		}
	})
	defer stop()
	return send(request, d.service.cfg.Client, d.service.url(d.sink), key, batch)
}

// settle does what the intake's answer asks for.
func (d *delivery) settle(ctx context.Context, a answer, count int, next progress) (pause time.Duration, err error) {
	cfg := d.service.cfg
	switch a.verdict {
	case later:
		if d.attempts == 0 {
			d.log.WarnContext(ctx, "logs wait: the intake does not take them", "reason", a.reason)
		}
		d.attempts++
		return max(cfg.Pause(d.attempts-1), a.pause), nil
	case refused:
		return cfg.RefusedPause, d.refuse(ctx, a)
	case tooLarge:
		if count > 1 {
			d.most = count / 2
			return 0, nil
		}
	case never, taken:
	}
	if a.verdict != taken {
		d.log.WarnContext(ctx, "logs lost: the intake will never take them", "reason", a.reason, "entries", count)
	}
	return 0, d.advance(context.WithoutCancel(ctx), next)
}

// advance goes on after a batch.
func (d *delivery) advance(ctx context.Context, next progress) error {
	told := d.at.Refused != nil
	d.at, d.attempts, d.most = next, 0, min(2*d.most, mostEntries)
	d.at.Refused = nil
	if err := d.save(); err != nil {
		return err
	}
	if told {
		return d.service.tell(ctx, d.sink, "The log sink %s takes logs again.", d.sink.Name)
	}
	return nil
}

// refuse tells the owner of a key that is not valid, once a key.
func (d *delivery) refuse(ctx context.Context, a answer) error {
	if string(d.at.Refused) == string(d.sink.APIKey) {
		return nil
	}
	d.at.Refused = d.sink.APIKey
	if err := d.save(); err != nil {
		return err
	}
	return d.service.tell(ctx, d.sink, "The log sink %s refuses its datadog_api_key (%s): logs wait until the sink has a valid one.", d.sink.Name, a.reason)
}

// collect reads the next batch, and where it ends.
func (d *delivery) collect() (batch []entry, next progress, err error) {
	next = d.at
	for _, source := range []struct {
		path    string
		at      *position
		entries func([]byte, int) ([]entry, int)
		most    int
	}{
		{d.slow, &next.Slow, slowEntries, max(d.most/2, 1)},
		{d.node, &next.Node, nodeEntries, d.most},
	} {
		room := source.most - len(batch)
		if room <= 0 {
			continue
		}
		p, err := read(source.path, *source.at)
		if err != nil {
			return nil, next, fmt.Errorf("read log: %w", err)
		}
		if p.lost {
			d.log.Warn("logs lost: they were moved aside twice before the intake took them")
			d.service.metrics.gap(d.sink)
		}
		entries, used := source.entries(p.text, room)
		*source.at = p.after(used)
		batch = append(batch, entries...)
	}
	for _, e := range batch {
		d.label(e)
	}
	return batch, next, nil
}

// label says whose an entry is.
func (d *delivery) label(e entry) {
	e["ddsource"], e["service"], e["hostname"] = "tine", d.sink.ClusterName, d.service.cfg.Host
	e["ddtags"] = "cluster:" + d.sink.ClusterName + ",cluster_id:" + d.sink.ClusterID + ",region:" + d.sink.Region
}
