package faults

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sys/unix"

	"tine/e2e/harness"
)

// A bit of an extent flips on the disk that a cluster and its fork share. The file system's checksum finds it: who reads the document has an error and never
// other data than were written, in both; the node's log says what is wrong. All other documents, and other clusters, are unharmed.
func TestFlippedBitInASharedExtentIsFound(t *testing.T) {
	t.Parallel()
	const documents = 60
	d := newDisk(t, "ext4", 3500, 2)
	d.start()
	other := d.make(harness.CreateRequest("other"))
	source := d.make(harness.CreateRequest("source"))
	contents := make([][]byte, documents)
	for n := range contents {
		contents[n] = make([]byte, 1500) // it fits into a page, and does not compress
		_, _ = rand.Read(contents[n])
	}
	for _, c := range []*godo.Database{other, source} {
		client := collection(t, c)
		for n, content := range contents {
			if _, err := client.InsertOne(t.Context(), bson.D{{Key: "_id", Value: n}, {Key: "content", Value: content}}); err != nil {
				t.Fatal(err)
			}
		}
		wantContents(t, client, contents, -1) // and the pages are final: who reads first notes in them what is committed
		leave(t, client)
	}
	if err := d.tine.Suspend(t.Context(), source.ID); err != nil { // the data are in their files, and not only in the log
		t.Fatal(err)
	}
	fork := d.make(harness.ForkRequest(source.Name, "fork", time.Time{}))
	if err := d.tine.Suspend(t.Context(), fork.ID); err != nil {
		t.Fatal(err)
	}
	d.awaitNodes(1) // the other's; what the others still wrote is in their files
	harmed, address := d.sharedContent(contents)
	d.stopAll()
	d.flip(address, contents[harmed])
	d.start()

	for _, c := range []*godo.Database{source, fork} {
		client := collection(t, c)
		wantContents(t, client, contents, harmed)
		if all, err := readAll(t.Context(), client); err == nil || !strings.Contains(err.Error(), "the disk does not return what was written to it") {
			t.Errorf("%s: a scan over the flipped bit returns %d documents and the error %v", c.Name, len(all), err)
		}
		if _, err := client.InsertOne(t.Context(), bson.D{{Key: "_id", Value: documents}}); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		leave(t, client)
	}
	client := collection(t, other)
	wantContents(t, client, contents, -1)
	leave(t, client)
	for c, want := range map[*godo.Database]int{source: 1, fork: 1, other: 0} {
		events, err := d.tine.Events(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, e := range events {
			if e.Detail == "data_damaged" {
				told++
			}
		}
		if told != want {
			t.Errorf("%d events of %s tell of the damage, want %d", told, c.Name, want)
		}
	}
	if !strings.Contains(d.tine.LogText(), "the disk does not return what was written to it") {
		t.Error("the log does not tell of the damage")
	}
}

func leave(t *testing.T, c *mongo.Collection) {
	t.Helper()
	if err := c.Database().Client().Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
}

// wantContents finds all documents, one after the other, and fails unless each is as it was written. The one that is harmed, if there is one, must be an error.
func wantContents(t *testing.T, c *mongo.Collection, contents [][]byte, harmed int) {
	t.Helper()
	lost := 0
	for n, want := range contents {
		var doc struct{ Content []byte }
		err := c.FindOne(t.Context(), bson.D{{Key: "_id", Value: n}}).Decode(&doc)
		switch {
		case n == harmed && err == nil:
			t.Errorf("document %d is read without an error; it is as it was: %t", n, bytes.Equal(doc.Content, want))
		case err != nil && harmed >= 0:
			lost++ // its neighbours in the page
		case err != nil:
			t.Fatalf("document %d: %v", n, err)
		case !bytes.Equal(doc.Content, want):
			t.Errorf("document %d is another than was written", n)
		}
	}
	if most := 8; lost > most {
		t.Errorf("%d documents cannot be read; a page has less than %d", lost, most)
	}
}

func readAll(ctx context.Context, c *mongo.Collection) (all []bson.M, err error) {
	cursor, err := c.Find(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	return all, cursor.All(ctx, &all)
}

// awaitNodes returns when that many clusters' nodes run.
func (d *disk) awaitNodes(want int) {
	d.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		n, err := d.tine.Nodes()
		if err != nil {
			d.t.Fatal(err)
		}
		if n == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			d.t.Fatalf("%d nodes run, want %d", n, want)
		}
	}
}

// sharedContent picks a content that is in an extent which belongs to two clusters' data, and says where in the file system's own space it is.
func (d *disk) sharedContent(contents [][]byte) (n int, address int64) {
	d.t.Helper()
	type place struct {
		n       int
		address int64
	}
	found := map[place]int{}
	err := filepath.WalkDir(filepath.Join(d.tine.PoolDir(), "volumes"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.Contains(path, "/base/") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for n, content := range contents {
			if at := bytes.Index(text, content); at >= 0 {
				address, err := addressOf(path, int64(at))
				if err != nil {
					return err
				}
				found[place{n, address}]++
			}
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	first := place{n: len(contents)} // the page of the last may still have room, so that an insert would have to read it
	for p, clusters := range found {
		if clusters == 2 && p.n < first.n {
			first = p
		}
	}
	if first.n == len(contents) {
		d.t.Fatalf("nothing of what both clusters have is shared: %v", found)
	}
	return first.n, first.address
}

// addressOf is where a byte of a file is in the file system's own space.
func addressOf(path string, offset int64) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	// The structures of linux/fiemap.h, with room for one extent.
	var m struct {
		start, length                  uint64
		flags, mapped, count, reserved uint32
		extent                         struct {
			logical, physical, length uint64
			reserved                  [2]uint64
			flags                     uint32
			reserved2                 [3]uint32
		}
	}
	const fiemap, syncFirst = 0xc020660b, 1
	m.start, m.length, m.flags, m.count = uint64(offset), 1, syncFirst, 1
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fiemap, uintptr(unsafe.Pointer(&m))); errno != 0 {
		return 0, fmt.Errorf("map %s: %w", path, errno)
	}
	if m.mapped != 1 {
		return 0, fmt.Errorf("map %s: there is nothing at %d", path, offset)
	}
	return int64(m.extent.physical + uint64(offset) - m.extent.logical), nil
}

// mapped is what btrfs says of where an address is on the device.
var mapped = regexp.MustCompile(`mirror 1 logical (\d+) physical (\d+)`)

// flip turns a bit of the content round that is at an address in the pool, whose file system is mounted nowhere.
func (d *disk) flip(address int64, content []byte) {
	d.t.Helper()
	image := filepath.Join(d.tine.DataDir(), "pool.img")
	// While a process that another test was just starting still has the mount, the file system lives on with all it has read.
	d.await("nobody has the pool", func() bool { return !attached(d.t, image) })
	const sector = 4096
	within := address % sector
	out, err := exec.CommandContext(d.t.Context(), "btrfs-map-logical", "-l", strconv.FormatInt(address-within, 10), image).CombinedOutput()
	if err != nil {
		d.t.Fatalf("map address: %v\n%s", err, out)
	}
	parts := mapped.FindSubmatch(out)
	if parts == nil {
		d.t.Fatalf("btrfs does not say where the address is: %s", out)
	}
	at, err := strconv.ParseInt(string(parts[2]), 10, 64)
	if err != nil {
		d.t.Fatal(err)
	}
	at += within
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	there := make([]byte, len(content))
	if _, err := f.ReadAt(there, at); err != nil {
		d.t.Fatal(err)
	}
	if !bytes.Equal(there, content) {
		d.t.Fatal("the image has something else at the content's address")
	}
	if _, err := f.WriteAt([]byte{content[700] ^ 1}, at+700); err != nil {
		d.t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		d.t.Fatal(err)
	}
}
