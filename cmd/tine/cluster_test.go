package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestListIsATableForPeople(t *testing.T) {
	t.Parallel()
	got := tine(t, newAPI(t).URL, "cluster", "list")
	want := "NAME   STATUS              PLAN             STORAGE   OWN+SHARED         REGION   VERSION   CREATED                ID\n" +
		"shop   online, suspended   db-s-1vcpu-1gb   15GiB     12.5 MB + 2.0 MB   nyc1     8         2026-08-01T12:00:00Z   " + shopID + "\n"
	if got.code != exitOK || got.stdout != want {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestListSaysWhenClustersExpire(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.expires = "2026-08-08T12:00:00Z"
	got := tine(t, a.URL, "cluster", "list")
	if lines := strings.Split(got.stdout, "\n"); len(lines) != 3 || !strings.HasSuffix(lines[0], "   CREATED                EXPIRES                ID") ||
		!strings.HasSuffix(lines[1], "   2026-08-01T12:00:00Z   2026-08-08T12:00:00Z   "+shopID) {
		t.Errorf("output\n%s%s", got.stdout, got.stderr)
	}
}

func TestJSONIsTheAPIsObject(t *testing.T) {
	t.Parallel()
	got := tine(t, newAPI(t).URL, "cluster", "get", "shop", "-o", "json")
	if got.code != exitOK || decode(t, got.stdout)["not_in_godo"] != true || !strings.Contains(got.stdout, "&replicaSet") {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestClusterIsFoundByNameAndByID(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, nameOrID := range []string{"shop", shopID} {
		if got := tine(t, a.URL, "cluster", "get", nameOrID); got.code != exitOK || !strings.Contains(got.stdout, "27100") {
			t.Errorf("%s: exit code %d, output\n%s%s", nameOrID, got.code, got.stdout, got.stderr)
		}
	}
}

func TestClusterShowsWhatItOccupies(t *testing.T) {
	t.Parallel()
	got := tine(t, newAPI(t).URL, "cluster", "get", "shop")
	for _, want := range []string{
		"blocked: the data have reached", "123.5 MB its own, 1.0 MB shared with others", "2.5 MB in restore points, 33.6 MB of write-ahead log",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s%s", want, got.stdout, got.stderr)
		}
	}
}

func TestForkSendsTheMomentToTheMicrosecond(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := tine(t, a.URL, "cluster", "fork", shopID, "copy", "--at", "2026-08-01T12:00:00.123456Z", "--storage", "20GiB")
	if got.code != exitOK {
		t.Fatal(got)
	}
	body := decode(t, *a.created.Load())
	restore, _ := body["backup_restore"].(map[string]any)
	if restore["database_name"] != "shop" || restore["backup_created_at"] != "2026-08-01T12:00:00.123456Z" || body["storage_size_mib"] != 20480.0 {
		t.Errorf("the request is %v", body)
	}
}

func TestHistoryShowsTheWindowAndWithAMomentWhatAForkTakes(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := tine(t, a.URL, "cluster", "history", "shop")
	want := "RESTORE POINT            SIZE\n2026-08-01T11:00:00.5Z   0.100 GB\n"
	if got.code != exitOK || got.stdout != want || !strings.Contains(got.stderr, "from 2026-08-01T11:00:00.5Z to 2026-08-01T12:30:00Z") {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
	got = tine(t, a.URL, "cluster", "history", "shop", "--at", "latest")
	want = "at         2026-08-01T12:00:00.123456Z\nreplay     32.0 MiB\nduration   about 0.9 s\n"
	if got.code != exitOK || got.stdout != want {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
	for region, want := range map[string]string{
		"fra1": "send       about 123.5 MB, to fra1, at most 209.7 MB a second\nduration   at least 0.9 s\n",
		"ams3": "send       all data, to ams3\nduration   what the sending takes, and about 0.9 s\n",
	} {
		got = tine(t, a.URL, "cluster", "history", "shop", "--at", "latest", "--region", region)
		if got.code != exitOK || !strings.HasSuffix(got.stdout, want) {
			t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
		}
	}
	got = tine(t, a.URL, "cluster", "history", "shop", "--at", "2026-08-01T14:00:00.1234567+02:00", "-o", "json")
	estimate, _ := decode(t, got.stdout)["estimate"].(map[string]any)
	if estimate["asked"] != "2026-08-01T12:00:00.123456Z" {
		t.Errorf("the request asked about %v", estimate["asked"])
	}
}

func TestTransactionsAreListedAndForkedAround(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := tine(t, a.URL, "cluster", "history", "shop", "--transactions")
	want := "TRANSACTION   COMMITTED                 CHANGED\n0/3A2F198     2026-08-01T12:03:07.25Z   drop shop.orders\n0/3A2F200     2026-08-01T12:03:08Z      \n"
	if got.code != exitOK || strings.TrimRight(got.stdout, " \n") != strings.TrimRight(want, " \n") {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
	got = tine(t, a.URL, "cluster", "history", "shop", "--transactions", "--around", "2026-08-01T14:03:07+02:00", "--count", "3", "--schema", "-o", "json")
	if asked := decode(t, got.stdout)["asked"]; asked != "2026-08-01T12:03:07.000000Z 3 true" {
		t.Errorf("the request asked for %v", asked)
	}
	for _, side := range []string{"before", "after"} {
		got = tine(t, a.URL, "cluster", "fork", "shop", "copy", "--"+side, "0/3A2F198")
		source, _ := decode(t, *a.created.Load())["backup_restore"].(map[string]any)
		if got.code != exitOK || len(source) != 2 || source["database_name"] != "shop" || source[side+"_transaction"] != "0/3A2F198" {
			t.Errorf("exit code %d, the request has %v: %s", got.code, source, got.stderr)
		}
	}
}

func TestWaitEndsOnlineWithThePasswordOfTheFirstAnswer(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := tine(t, a.URL, "cluster", "fork", "shop", "copy", "--wait", "-o", "json")
	object := decode(t, got.stdout)
	connection, _ := object["connection"].(map[string]any)
	if got.code != exitOK || object["status"] != "online" || connection["password"] != "secret" || !strings.Contains(got.stdout, "&replicaSet") {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

// They are in no other answer: who does not see them has lost them.
func TestFreshPasswordsAreShown(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--wait"}} {
		got := tine(t, newAPI(t).URL, append([]string{"cluster", "fork", "shop", "copy", "--fresh-passwords"}, args...)...)
		if got.code != exitOK || !strings.Contains(got.stdout, "password of app   fresh\n") || strings.Contains(got.stdout, "password of doadmin") {
			t.Errorf("%v: exit code %d, output\n%s%s", args, got.code, got.stdout, got.stderr)
		}
	}
}

func TestWaitSaysWhyAClusterFailedAndStillShowsItsPassword(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.forkStatus = "failed"
	got := tine(t, a.URL, "cluster", "fork", "shop", "copy", "--wait")
	if got.code != exitFailed || !strings.Contains(got.stderr, "copy has failed: The disk is full.") || !strings.Contains(got.stdout, "secret") {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestWaitHasALimit(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.forkStatus = "forking"
	got := tine(t, a.URL, "cluster", "fork", "shop", "copy", "--wait", "--timeout", "10ms")
	if got.code != exitTimedOut || !strings.Contains(got.stdout, "secret") {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestPollingSlowsDown(t *testing.T) {
	t.Parallel()
	for elapsed, want := range map[time.Duration]time.Duration{
		0: 50 * time.Millisecond, time.Second: 100 * time.Millisecond, 10 * time.Second: time.Second, time.Hour: 2 * time.Second,
	} {
		if got := pause(elapsed); got != want {
			t.Errorf("after %s it waits %s instead of %s", elapsed, got, want)
		}
	}
}

func TestNothingIsDestroyedWithoutConfirmation(t *testing.T) {
	t.Parallel()
	// The fake API has no DELETE: it would answer 405.
	if got := tine(t, newAPI(t).URL, "cluster", "destroy", "shop"); got.code != exitUsage {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
}

func TestPasswordIsNeverOnACommandLine(t *testing.T) {
	t.Parallel()
	var c cluster
	if err := c.UnmarshalJSON([]byte(shopJSON)); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"", "p/w@1"} {
		uri, err := c.connectURI(password)
		if err != nil {
			t.Fatal(err)
		}
		argv, env := uri.mongosh(nil)
		if line := strings.Join(argv, " "); strings.Contains(line, "p/w") || strings.Contains(line, "p%2Fw") {
			t.Errorf("the command line is %s", line)
		}
		if password != "" && !strings.HasPrefix(strings.Join(env, " "), "TINE_URI=mongodb://doadmin:p%2Fw%401@127.0.0.1:27100/admin?") {
			t.Errorf("the environment is %v", env)
		}
	}
}

func TestPrintedURIHasAPlaceForThePassword(t *testing.T) {
	t.Parallel()
	got := tine(t, newAPI(t).URL, "cluster", "connect", "shop", "--print")
	if got.stdout != "mongodb://doadmin:<password>@127.0.0.1:27100/admin?authSource=admin&replicaSet=shop\n" {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	url := newAPI(t).URL
	for line, want := range map[string]int{
		"cluster":                                exitOK,
		"clusters":                               exitUsage,
		"cluster lst":                            exitUsage,
		"cluster list extra":                     exitUsage,
		"cluster get":                            exitUsage,
		"cluster list --nonsense":                exitUsage,
		"cluster list -o yaml":                   exitUsage,
		"cluster fork shop copy --at noon":       exitUsage,
		"cluster history shop --at noon":         exitUsage,
		"cluster history shop --region fra1":     exitUsage,
		"cluster create copy --storage big":      exitUsage,
		"cluster get nothing":                    exitNotFound,
		"cluster fork nothing copy":              exitNotFound,
		"cluster get " + strings.ToUpper(forkID): exitNotFound,
		"cluster destroy shop --yes":             exitRefused, // the fake API's 405
	} {
		if got := tine(t, url, strings.Fields(line)...); got.code != want {
			t.Errorf("tine %s: exit code %d instead of %d\n%s", line, got.code, want, got.stderr)
		}
	}
}

func TestExitCodesOfTheAPIsAnswers(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{
		http.StatusBadRequest: exitRefused, http.StatusUnauthorized: exitUnauthorized, http.StatusForbidden: exitUnauthorized,
		http.StatusNotFound: exitNotFound, http.StatusConflict: exitRefused, http.StatusPreconditionFailed: exitRefused,
		http.StatusUnprocessableEntity: exitRefused, http.StatusTooManyRequests: exitFailed,
		http.StatusInternalServerError: exitFailed, http.StatusServiceUnavailable: exitUnreachable,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answer(w, status, `{"id":"x","message":"the reason in words","request_id":"r"}`)
		}))
		got := tine(t, server.URL, "cluster", "list")
		server.Close()
		if got.code != want || !strings.Contains(got.stderr, "the reason in words") {
			t.Errorf("%d: exit code %d instead of %d\n%s", status, got.code, want, got.stderr)
		}
	}
}

func TestUnreachableAPIHasAnExitCodeOfItsOwn(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	if got := tine(t, server.URL, "cluster", "list"); got.code != exitUnreachable || !strings.Contains(got.stderr, "tine up") {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
}

func TestInterruptionHasAnExitCodeOfItsOwn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root := newRootCommand()
	var stderr strings.Builder
	if code := run(ctx, root, []string{"cluster", "list", "--api", newAPI(t).URL, "--token", "secret"}, &stderr); code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}

func TestForkSaysWhatItWasMadeFrom(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for want, from := range map[string]*forkedFrom{
		"":                             nil,
		"shop, latest":                 {Name: "shop"},
		"shop at 2026-08-01T12:00:00Z": {Name: "shop", At: at},
		"shop right before transaction 0/3A2F198, of 2026-08-01T12:00:00Z": {Name: "shop", At: at, Before: "0/3A2F198"},
		"shop right after transaction 0/3A2F198, of 2026-08-01T12:00:00Z":  {Name: "shop", At: at, After: "0/3A2F198"},
	} {
		if got := (cluster{ForkedFrom: from}).origin(); got != want {
			t.Errorf("%+v is %q, want %q", from, got, want)
		}
	}
}

// A cluster that is resized or migrated is in use; only its change takes longer than was waited.
func TestWaitThatTookTooLongSaysWhatGoesOn(t *testing.T) {
	t.Parallel()
	api, err := (&clientOptions{api: newAPI(t).URL, token: "secret", output: formatTable}).client()
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[string]string{
		statusOnline: "the change of copy is not over after 1ns, and goes on: timed out",
		"creating":   "copy is not online after 1ns, but may still become so: timed out",
	} {
		c := cluster{}
		c.ID, c.Name, c.Status = forkID, "copy", status
		if _, err := api.waitOnline(t.Context(), c, time.Nanosecond, func(cluster) {}); err == nil || err.Error() != want || exitCode(err) != exitTimedOut {
			t.Errorf("%s: %v, want %s", status, err, want)
		}
	}
}
