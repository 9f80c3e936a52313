package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A stream that was interrupted cannot be taken up again. So a volume that is sent as a whole goes in parts: part 1 is a copy of it that has only the first of its files,
// part 2 one with the first and the next, which is sent as the difference from part 1, and so on; the last is the volume itself. What is repeated after an interruption is one
// part. Which files are in which part depends on nothing but the volume, so that every process comes to the same parts. The parts share everything with the volume.
const (
	partsDir  = "parts"
	usualPart = 256 << 20 // a part ends with the file that fills it; files are never divided
)

// sendParts sends all parts but the last, and returns the one before it; "" if there is one part only.
func (s Sending) sendParts(ctx context.Context) (before string, err error) {
	parts, err := s.divide()
	if err != nil {
		return "", err
	}
	done, err := s.lastPart()
	if err != nil {
		return "", err
	}
	for n := done + 1; n < len(parts); n++ {
		if err := s.makePart(ctx, n, parts[n:]); err != nil {
			return "", err
		}
		p := s
		p.Volume, p.As, p.Parent, p.whole = s.part(n), s.part(n), "", s.As
		if n > 1 {
			p.Parent = s.part(n - 1)
		}
		if err := p.sendWhole(ctx); err != nil {
			return "", err
		}
		if n > 1 {
			if err := s.deletePart(ctx, n-1); err != nil {
				return "", err
			}
		}
	}
	if len(parts) < 2 {
		return "", nil
	}
	return s.part(len(parts) - 1), nil
}

func (s Sending) partDir() string   { return partsDir + "/" + s.key() }
func (s Sending) part(n int) string { return s.partDir() + "/" + strconv.Itoa(n) }
func (s Sending) draft() string     { return s.partDir() + "/draft" }

func (s Sending) divide() ([][]string, error) {
	if s.partSize == 0 {
		s.partSize = usualPart
	}
	return divide(s.From.VolumePath(s.Volume), s.partSize)
}

// Kept is about how many bytes have arrived of a sending without a parent that was interrupted, which will not be sent again.
func (s Sending) Kept() (bytes int64, err error) {
	last, err := s.lastPart()
	if err != nil || last == 0 {
		return 0, err
	}
	return s.To.SendSize(s.part(last), "")
}

// lastPart is the last one that both pools have; 0 if there is none.
func (s Sending) lastPart() (last int, err error) {
	from, err := s.From.List(s.partDir())
	if err != nil {
		return 0, err
	}
	to, err := s.To.List(s.partDir())
	for _, name := range from {
		if n, err := strconv.Atoi(name); err == nil && slices.Contains(to, name) {
			last = max(last, n)
		}
	}
	return last, err
}

// makePart makes a part, a copy without the files of those behind it.
func (s Sending) makePart(ctx context.Context, n int, without [][]string) error {
	if there, err := s.From.Exists(s.part(n)); there || err != nil {
		return err
	}
	if err := s.From.Delete(ctx, s.draft()); err != nil {
		return err
	}
	if err := s.From.Clone(ctx, s.Volume, s.draft()); err != nil {
		return err
	}
	for _, files := range without {
		for _, file := range files {
			if err := os.Remove(filepath.Join(s.From.VolumePath(s.draft()), file)); err != nil {
				return err
			}
		}
	}
	if err := s.From.Snapshot(ctx, s.draft(), s.part(n)); err != nil {
		return err
	}
	return s.From.Delete(ctx, s.draft())
}

func (s Sending) deletePart(ctx context.Context, n int) error {
	return errors.Join(s.From.Delete(ctx, s.part(n)), s.To.Delete(ctx, s.part(n)))
}

// Forget removes what is left in both pools of a sending that was interrupted and will not be repeated. A copy that is complete stays.
func (s Sending) Forget(ctx context.Context) error {
	for _, p := range []*Pool{s.From, s.To} {
		if err := p.deleteAll(ctx, s.partDir()); err != nil {
			return fmt.Errorf("forget sending of volume %s: %w", s.Volume, err)
		}
	}
	if err := s.clearIncoming(ctx); err != nil {
		return fmt.Errorf("forget sending of volume %s: %w", s.Volume, err)
	}
	return nil
}

// deleteAll deletes the volumes in a directory, and the directory.
func (p *Pool) deleteAll(ctx context.Context, dir string) error {
	names, err := p.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := p.Delete(ctx, dir+"/"+name); err != nil {
			return err
		}
	}
	return removeDir(p.VolumePath(dir))
}

// divide says which files of a volume are in which part, from their sizes on the disk.
func divide(root string, size int64) (parts [][]string, err error) {
	filled := size // so that the first file begins a part
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return fmt.Errorf("stat %s: %w", path, err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if filled >= size {
			parts, filled = append(parts, nil), 0
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], name)
		const block = 512
		filled += st.Blocks * block
		return nil
	})
	return parts, err
}

// ForgetSendings removes what is left in the pool of interrupted sendings to volumes whose names begin with prefix. Volumes that arrived stay.
func (p *Pool) ForgetSendings(ctx context.Context, prefix string) error {
	for _, dir := range []string{partsDir, incoming} {
		keys, err := p.sendingKeys(dir, prefix)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := p.deleteAll(ctx, dir+"/"+key); err != nil {
				return fmt.Errorf("forget sendings to %s: %w", prefix, err)
			}
		}
	}
	return nil
}

// Sendings returns the names, without the prefix, of volumes that were being sent from or to the pool, as far as they begin with it.
func (p *Pool) Sendings(prefix string) (names []string, err error) {
	for _, dir := range []string{partsDir, incoming} {
		keys, err := p.sendingKeys(dir, prefix)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			names = append(names, strings.ReplaceAll(key, ".", "/")[len(prefix):])
		}
	}
	return names, nil
}

func (p *Pool) sendingKeys(dir, prefix string) (keys []string, err error) {
	entries, err := os.ReadDir(p.VolumePath(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for sendings to %s: %w", prefix, err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), keyOf(prefix)) {
			keys = append(keys, e.Name())
		}
	}
	return keys, nil
}
