package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tine/internal/engine"
	"tine/internal/sandbox"
	"tine/internal/storage"
)

// ControlNode is the name of the node that holds the control plane's own database, where no other PostgreSQL is configured.
const ControlNode = "control"

const controlDatabase = "tine"

// ControlConfig is what the control node is made of.
type ControlConfig struct {
	DataDir string
	Golden  string
	Pool    *storage.Pool
	Root    *engine.Root
	Runtime *sandbox.Runtime
}

// Control is the node of the control plane's own database.
type Control struct {
	*engine.Node
}

// controlMemory is enough for the rows of thousands of clusters.
const controlMemory = 512 << 20

// StartControl starts the control node, or adopts it, and makes its database if there is none. It can be interrupted anywhere and repeated.
func StartControl(ctx context.Context, cfg ControlConfig) (*Control, error) {
	c, err := startControl(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("start control node: %w", err)
	}
	return c, nil
}

func startControl(ctx context.Context, cfg ControlConfig) (*Control, error) {
	volume := volumes + "/" + ControlNode
	exists, err := cfg.Pool.Exists(volume)
	if err != nil {
		return nil, err
	}
	if !exists {
		if err := cfg.Pool.Clone(ctx, cfg.Golden, volume); err != nil {
			return nil, err
		}
	}
	c := &Control{Node: engine.NewNode(engine.NodeConfig{
		ID:          ControlNode,
		Root:        cfg.Root,
		Runtime:     cfg.Runtime,
		Volume:      cfg.Pool.VolumePath(volume),
		SocketDir:   filepath.Join(cfg.DataDir, "sockets", ControlNode),
		LogPath:     filepath.Join(cfg.DataDir, "logs", ControlNode+".log"),
		MemoryBytes: controlMemory,
		NoArchive:   true,
	})}
	if err := c.ensure(ctx); err != nil {
		return nil, err
	}
	return c, c.makeDatabase(ctx)
}

// ensure adopts the node or starts it. One that seems to run may just be dying.
func (c *Control) ensure(ctx context.Context) error {
	up, err := c.Running(ctx)
	if err != nil {
		return err
	}
	if up {
		if err := c.WaitReady(ctx); !errors.Is(err, engine.ErrExited) {
			return err
		}
	}
	return c.Start(ctx)
}

func (c *Control) makeDatabase(ctx context.Context) error {
	conn, err := c.Connect(ctx, engine.RoleSuperuser)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var exists bool
	row := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", controlDatabase)
	if err := row.Scan(&exists); err != nil {
		return fmt.Errorf("look for database: %w", err)
	}
	if exists {
		return nil
	}
	// template0 has none of the engine's extensions.
	statement := "CREATE DATABASE " + pgx.Identifier{controlDatabase}.Sanitize() + " TEMPLATE template0"
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return nil
}

// PoolConfig is for the store.
func (c *Control) PoolConfig() (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig("host=/run/tine sslmode=disable application_name=tine user=" +
		engine.RoleSuperuser + " dbname=" + controlDatabase)
	if err != nil {
		return nil, fmt.Errorf("configure control database: %w", err)
	}
	cfg.ConnConfig.DialFunc = engine.Dialer(c.SocketDir())
	return cfg, nil
}

// KeepRunning starts the node again whenever it exits, until ctx ends.
func (c *Control) KeepRunning(ctx context.Context, report func(error)) {
	respawn(ctx, c.Node, func(time.Duration) error { return c.Start(ctx) }, report)
}
