package main

import (
	"strings"
	"testing"
)

func TestChangesOfAClusterAreSentToTheAPI(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"resize shop --size db-s-2vcpu-4gb":                      `PUT /resize {"num_nodes":1,"size":"db-s-2vcpu-4gb"}`,
		"resize shop --storage 40GiB":                            `PUT /resize {"num_nodes":1,"size":"db-s-1vcpu-1gb","storage_size_mib":40960}`,
		"migrate shop --region fra1":                             `PUT /migrate {"region":"fra1"}`,
		"ttl shop on":                                            `PUT /ttl {"enabled":true}`,
		"swap shop " + forkID:                                    `POST /swap {"with":"` + forkID + `"}`,
		"expire shop 90m":                                        `PUT /expiry {"expires_in_seconds":5400}`,
		"expire shop never":                                      `PUT /expiry {"expires_at":null}`,
		"users create shop operator":                             `POST /users {"name":"operator"}`,
		"users create shop app --role readOnly --db shop --db a": `POST /users {"name":"app","settings":{"mongo_user_settings":{"databases":["shop","a"],"role":"readOnly"}}}`,
		"users reset shop a/b":                                   `POST /users/a%2Fb/reset_auth {}`,
		"users delete shop app":                                  `DELETE /users/app`,
		"sources add shop 198.51.100.0/24":                       `PUT /firewall {"rules":[{"created_at":"2026-08-01T12:00:00Z","description":"office","type":"ip_addr","uuid":"u","value":"192.0.2.1"},{"type":"ip_addr","value":"198.51.100.0/24"}]}`,
		"sources remove shop 192.0.2.1":                          `PUT /firewall {"rules":[]}`,
	} {
		a := newAPI(t)
		got := tine(t, a.URL, append([]string{"cluster"}, strings.Fields(line)...)...)
		if sent := a.changed.Load(); got.code != exitOK || sent == nil || *sent != want {
			t.Errorf("tine cluster %s: exit code %d, %s\nsent %v, want %s", line, got.code, got.stderr, sent, want)
		}
	}
}

// Programs get the cluster after every change; people a note.
func TestAChangedClusterIsTheAPIsObject(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"resize shop --storage 40GiB", "migrate shop --region fra1", "ttl shop on", "suspend shop", "suspend shop --after 10m",
		"swap shop " + forkID, "swap shop " + forkID + " --wait",
	} {
		args := append([]string{"cluster"}, strings.Fields(line)...)
		got := tine(t, newAPI(t).URL, append(args, "-o", "json")...)
		if got.code != exitOK || decode(t, got.stdout)["not_in_godo"] != true {
			t.Errorf("tine cluster %s: exit code %d, output\n%s%s", line, got.code, got.stdout, got.stderr)
		}
		if got = tine(t, newAPI(t).URL, args...); got.code != exitOK || got.stdout != "" || got.stderr == "" {
			t.Errorf("tine cluster %s: exit code %d, output\n%s%s", line, got.code, got.stdout, got.stderr)
		}
	}
}

func TestWhatAClusterHasIsATable(t *testing.T) {
	t.Parallel()
	url := newAPI(t).URL
	for line, want := range map[string]string{
		"users list shop":   "NAME      ROLE       DATABASES\ndoadmin   root       all\napp       readOnly   shop\n",
		"sources list shop": "SOURCE      TYPE      DESCRIPTION   CREATED\n192.0.2.1   ip_addr   office        2026-08-01T12:00:00Z\n",
	} {
		if got := tine(t, url, append([]string{"cluster"}, strings.Fields(line)...)...); got.code != exitOK || got.stdout != want {
			t.Errorf("tine cluster %s: exit code %d, output\n%s%s", line, got.code, got.stdout, got.stderr)
		}
	}
}

func TestExpiryIsTheAPIsObject(t *testing.T) {
	t.Parallel()
	got := tine(t, newAPI(t).URL, "cluster", "expire", "shop", "12h", "-o", "json")
	if got.code != exitOK || decode(t, got.stdout)["expires_at"] != "2026-08-02T12:00:00Z" {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

// What is made once goes to the standard output alone, for scripts.
func TestPasswordsOfUsersAreShownOnce(t *testing.T) {
	t.Parallel()
	url := newAPI(t).URL
	for _, line := range []string{"users create shop app", "users reset shop app"} {
		got := tine(t, url, append([]string{"cluster"}, strings.Fields(line)...)...)
		if got.code != exitOK || got.stdout != "fresh\n" || !strings.Contains(got.stderr, "this once") {
			t.Errorf("tine cluster %s: exit code %d, output\n%s%s", line, got.code, got.stdout, got.stderr)
		}
	}
	got := tine(t, url, "cluster", "users", "reset", "shop", "app", "-o", "json")
	if decode(t, got.stdout)["password"] != "fresh" {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestChangesThatCannotBeMeantAreNotSent(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for line, want := range map[string]int{
		"resize shop":                           exitUsage,
		"migrate shop":                          exitUsage,
		"resize shop --storage big":             exitUsage,
		"resize nothing --storage 40GiB":        exitNotFound,
		"users create shop app --role readOnly": exitUsage,
		"users create shop app --db shop":       exitUsage,
		"users create shop":                     exitUsage,
		"users list nothing":                    exitNotFound,
		"sources add shop":                      exitUsage,
		"sources remove shop 203.0.113.9":       exitNotFound,
	} {
		if got := tine(t, a.URL, append([]string{"cluster"}, strings.Fields(line)...)...); got.code != want {
			t.Errorf("tine cluster %s: exit code %d instead of %d\n%s", line, got.code, want, got.stderr)
		}
	}
	if sent := a.changed.Load(); sent != nil {
		t.Errorf("the API was sent %s", *sent)
	}
}
