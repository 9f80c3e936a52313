package clients

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// proxy forwards messages to a cluster and, when it is told to, loses one: it cuts the connection between a command and its reply, as
// a network does.
type proxy struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	rule  func(command string) *loss // nil for what gets through
	conns map[net.Conn]bool
}

// loss is what a proxy does to a command.
type loss struct {
	command string
	// forward is whether the cluster gets the command; its reply is lost in any case.
	forward bool
	// before is run when the cluster has answered, before the client notices that the connection is gone.
	before func()
	done   chan struct{}
}

// newProxy returns a proxy to the cluster of a connection string, and a connection string for it.
func newProxy(t *testing.T, uri string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(uri)
	fatal(t, "parse the connection string", err)
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	fatal(t, "listen", err)
	p := &proxy{listener: ln, server: u.Host, conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	running.Go(func() { p.serve(ctx, &running) })
	t.Cleanup(func() {
		stop()
		_ = ln.Close()
		p.cut()
		running.Wait()
	})
	// The driver would go to the address that the cluster says it has.
	u.Host = ln.Addr().String()
	q := u.Query()
	q.Del("replicaSet")
	q.Set("directConnection", "true")
	u.RawQuery = q.Encode()
	return p, u.String()
}

// lose arranges for the loss of the next command of a name. The channel is closed when it has happened.
func (p *proxy) lose(l loss) <-chan struct{} {
	l.done = make(chan struct{})
	once := &l
	p.follow(func(command string) *loss {
		if once == nil || command != l.command {
			return nil
		}
		hit := once
		once = nil
		return hit
	})
	return l.done
}

// follow makes a rule that of the proxy. It is called for one command at a time.
func (p *proxy) follow(rule func(command string) *loss) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}

// some is a rule that loses every nth command of those with these names, half of them before they arrive.
func some(every int, commands ...string) func(string) *loss {
	seen, lost := 0, 0
	return func(command string) *loss {
		if !slices.Contains(commands, command) {
			return nil
		}
		if seen++; seen%every != 0 {
			return nil
		}
		lost++
		return &loss{command: command, forward: lost%2 == 0, done: make(chan struct{})}
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) keep(c net.Conn) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return c
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

func (p *proxy) serve(ctx context.Context, running *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.keep(client)
		running.Go(func() {
			defer p.drop(client)
			var d net.Dialer
			server, err := d.DialContext(ctx, "tcp", p.server)
			if err != nil {
				return
			}
			p.keep(server)
			defer p.drop(server)
			p.relay(client, server)
		})
	}
}

// relay sends a command, waits for its reply and sends that. Monitoring connections may get several replies to a command.
func (p *proxy) relay(client, server net.Conn) {
	for {
		request, err := message(client)
		if err != nil {
			return
		}
		l := p.hit(request)
		if l != nil && !l.forward {
			close(l.done)
			return
		}
		if _, err := server.Write(request); err != nil {
			return
		}
		for more := true; more; {
			reply, err := message(server)
			if l != nil {
				if l.before != nil {
					l.before()
				}
				close(l.done)
				return
			}
			if err != nil {
				return
			}
			if _, err := client.Write(reply); err != nil {
				return
			}
			more = moreToCome(reply)
		}
	}
}

// hit returns what is to happen to a command, if anything is.
func (p *proxy) hit(request []byte) *loss {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rule == nil {
		return nil
	}
	return p.rule(name(request))
}

// message reads a message of the wire protocol.
func message(c net.Conn) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, err
	}
	b := make([]byte, binary.LittleEndian.Uint32(head))
	copy(b, head)
	_, err := io.ReadFull(c, b[4:])
	return b, err
}

const opMsg = 2013

func moreToCome(m []byte) bool { return binary.LittleEndian.Uint32(m[12:]) == opMsg && m[16]&2 != 0 }

// name is the name of the command in a message, or "".
func name(m []byte) string {
	if binary.LittleEndian.Uint32(m[12:]) != opMsg {
		return ""
	}
	_, body, _ := bytes.Cut(m[20:], []byte{0}) // drivers send the document first
	if len(body) < 4 {
		return ""
	}
	size := binary.LittleEndian.Uint32(body)
	elements, err := bson.Raw(body[:min(int(size), len(body))]).Elements()
	if err != nil || len(elements) == 0 {
		return ""
	}
	return elements[0].Key()
}
