package api

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tine/internal/store"
)

const (
	defaultHourlyLimit = 5000
	defaultMinuteLimit = 250
)

// limits counts each token's requests in two buckets that fill up again steadily: an hour's and a minute's.
type limits struct {
	hourly, minutely int
	clock            func() time.Time

	mu struct {
		sync.Mutex
		buckets map[string]*buckets // by the token's id
	}
}

type buckets struct{ hour, minute *rate.Limiter }

func newLimits(hourly, minutely int, clock func() time.Time) *limits {
	if hourly == 0 {
		hourly = defaultHourlyLimit
	}
	if minutely == 0 {
		minutely = defaultMinuteLimit
	}
	l := &limits{hourly: hourly, minutely: minutely, clock: clock}
	l.mu.buckets = map[string]*buckets{}
	return l
}

// spend counts a request and says in the headers what is left. It returns an error if nothing was.
func (l *limits) spend(header http.Header, token store.Token) error {
	now := l.clock()
	b := l.of(token.ID)
	var wait time.Duration
	if !token.Allows(store.ScopeAdmin) {
		wait = b.spend(now)
	}
	left := max(b.hour.TokensAt(now), 0)
	full := now.Add(time.Duration((float64(l.hourly) - left) / float64(b.hour.Limit()) * float64(time.Second)))
	header.Set("ratelimit-limit", strconv.Itoa(l.hourly))
	header.Set("ratelimit-remaining", strconv.Itoa(int(left)))
	header.Set("ratelimit-reset", strconv.FormatInt(full.Unix(), 10))
	if wait == 0 {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	header.Set("retry-after", strconv.Itoa(seconds))
	return &statusError{http.StatusTooManyRequests, fmt.Sprintf(
		"API rate limit exceeded: a token may make %d requests an hour and %d a minute; try again in %d s", l.hourly, l.minutely, seconds)}
}

// spend takes one request out of both buckets, or out of none and returns how long to wait for it.
func (b *buckets) spend(now time.Time) (wait time.Duration) {
	hour, minute := b.hour.ReserveN(now, 1), b.minute.ReserveN(now, 1)
	wait = max(hour.DelayFrom(now), minute.DelayFrom(now))
	if wait > 0 {
		hour.CancelAt(now)
		minute.CancelAt(now)
	}
	return wait
}

func (l *limits) of(id string) *buckets {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, exists := l.mu.buckets[id]
	if !exists {
		b = &buckets{
			hour:   rate.NewLimiter(rate.Limit(float64(l.hourly)/time.Hour.Seconds()), l.hourly),
			minute: rate.NewLimiter(rate.Limit(float64(l.minutely)/time.Minute.Seconds()), l.minutely),
		}
		l.mu.buckets[id] = b
	}
	return b
}
